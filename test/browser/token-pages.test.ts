/** The pages that take back, in a real browser: clean in every look, live, and whole without script. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setBlock } from '../../src/access/blocks.ts';
import { revokeToken } from '../../src/access/revoke.ts';
import { startConsole, type TestConsole } from '../console/fixture.ts';
import { type IssuedToken, issueToken, rotateToken } from '../console/issued.ts';
import {
  findFlaws,
  LOOKS,
  launchBrowser,
  openWatchedPage,
  tabTo,
  type WatchedPage,
} from '../support/browser.ts';

const SHOTS = await mkdtemp(join(tmpdir(), 'countersign-token-pages-'));

let test: TestConsole;
let browser: Browser;
let token: IssuedToken;
let closed: string;
beforeAll(async () => {
  [test, browser] = await Promise.all([startConsole(), launchBrowser()]);
  const { jti } = await issueToken(test);
  await revokeToken(test.database, jti, { by: 'command line', reason: 'Seen in a log.' });
  const block = await setBlock(
    test.database,
    { kind: 'agent', subject: 'support-agent', lasting: true },
    { by: 'command line', reason: 'It answers what nobody asked.' },
  );
  if (typeof block === 'string') throw new Error(block);
  closed = block.id;
  await setBlock(
    test.database,
    { kind: 'agent', subject: 'ops-agent', lasting: false },
    { by: 'command line', reason: 'A host of it was lost.' },
  );
});
afterAll(async () => {
  await browser.close();
  await test.stop();
});

type Who = keyof TestConsole['people'];

const open = async (
  path: string,
  { who, ...context }: BrowserContextOptions & { readonly who: Who },
): Promise<WatchedPage> => {
  const cookie = await test.signIn(test.people[who]);
  const watched = await openWatchedPage(browser, { url: test.url, cookie, ...context });
  await watched.page.goto(test.url + path);
  return watched;
};

const PAGES: readonly (readonly [string, () => string, Who])[] = [
  ['tokens', () => '/tokens', 'operator'],
  ['tokens-problem', () => '/tokens?agent=a%20b', 'auditor'],
  ['token', () => `/tokens/${token.jti}`, 'operator'],
  ['trace-of-operator', () => `/requests/${token.requestId}`, 'operator'],
  ['blocks', () => '/blocks', 'security'],
  ['blocks-lift', () => `/blocks?lift=${closed}`, 'security'],
  ['blocks-read', () => '/blocks', 'auditor'],
];

describe.each(Object.entries(LOOKS))('in %s', (look, options) => {
  beforeAll(async () => {
    token = await rotateToken(test, await issueToken(test));
  });

  it.each(PAGES)('%s is clean', async (name, path, who) => {
    const { page, complaints, close } = await open(path(), { ...options, who });
    await page.screenshot({ path: join(SHOTS, `${name}-${look}.png`), fullPage: true });
    expect(complaints.filter((complaint) => !complaint.includes('status of 400'))).toEqual([]);
    expect(await findFlaws(page)).toEqual([]);
    await close();
  });
});

it('shows a token issued meanwhile, and leaves the search alone', async () => {
  const { page, complaints, close } = await open('/tokens', { who: 'operator' });
  await page.fill('input[name=agent]', 'half an ag');
  const late = await issueToken(test);
  await page.locator(`#open-${late.jti}`).waitFor({ timeout: 15_000 });
  expect(await page.inputValue('input[name=agent]')).toBe('half an ag');
  expect(complaints).toEqual([]);
  await close();
});

it('ends a grant without script, by what the Enter key presses', async () => {
  const given = await issueToken(test);
  const { page, complaints, close } = await open('/tokens', { who: 'operator', javaScriptEnabled: false });
  await page.click(`#open-${given.jti}`);
  await page.fill('#deed-reason', 'It is not needed any more.');
  await page.press('#deed-reason', 'Enter');
  await page.waitForLoadState();
  expect(await page.textContent('#token .badges')).toContain('REVOKED');
  expect(await page.textContent('.fact:last-child dd')).toContain('ended before its time');
  expect(complaints).toEqual([]);
  await close();
});

it('closes an agent and opens it again without script', async () => {
  const { page, complaints, close } = await open('/blocks', { who: 'security', javaScriptEnabled: false });
  await page.fill('input[name=subject]', 'reporting-agent');
  await page.fill('#one-reason', 'It left its lane.');
  await page.click('text=Close it');
  expect(await page.textContent('.block >> nth=0')).toContain('Agent reporting-agent');
  await page.click('[aria-label="Lift: Agent reporting-agent"]');
  await page.fill('#lift-reason', 'It was repaired.');
  await page.click('text=Lift it');
  expect(await page.textContent('.block-over >> nth=0')).toContain('It was repaired.');
  expect(complaints).toEqual([]);
  await close();
});

it('closes an agent by keyboard alone', async () => {
  const { page, complaints, close } = await open('/blocks', { who: 'security' });
  await tabTo(page, 'subject');
  await page.keyboard.type('ops-agent');
  await tabTo(page, 'one-reason');
  await page.keyboard.type('It left its lane.');
  await tabTo(page, 'Close it');
  await page.keyboard.press('Enter');
  await page.locator('.block', { hasText: 'Agent ops-agent' }).waitFor();
  expect(complaints).toEqual([]);
  await close();
});
