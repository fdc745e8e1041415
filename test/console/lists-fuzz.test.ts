/**
 * Cursors, filters and names that no list has, made up at random (T107). A cursor is a place in an order and bears no
 * MAC, so it must grant nothing: whatever anybody asks, it is no error of the broker, and no row beyond their view.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSession } from '../../src/console/sessions.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';

const RUNS = 2_000;
const PAGES = ['/tokens', '/audit', '/approvals', '/approvals?show=decided'] as const;
const KNOWLEDGE = { audience: 'api://knowledge.prod', scope: 'articles.write' };
const READ = { ...KNOWLEDGE, scope: 'articles.read' };
const PAYROLL = { audience: 'api://reports.prod', scope: 'payroll.export' };

type Page = (typeof PAGES)[number];
type Reader = {
  readonly headers: Readonly<Record<string, string>>;
  /** Whether all that these pages list may be shown. */
  readonly sees: (page: Page) => 'all' | 'knowledge' | 'nothing';
};

let world: TestWorld;
let readers: Readonly<Record<string, Reader>>;
/** Requests and tokens by id, and what each is about. */
let rows: ReadonlyMap<string, string>;
/** What each list might be told, for real. */
let known: readonly string[];

const isQueue = (page: Page): boolean => page.startsWith('/approvals');

const signIn = async (roles: readonly string[]): Promise<Readonly<Record<string, string>>> => {
  const person = {
    tenant: world.entra.world.tenant,
    object: randomUUID(),
    name: 'Kim Reader',
    username: 'kim@lab.example',
    roles,
    authenticatedAt: null,
    authenticationContexts: [],
  };
  const id = await openSession(world.database, person, { replaces: null, traceId: '0'.repeat(32) });
  return { accept: 'text/html', cookie: `countersign_session=${id}` };
};

const openRows = async (): Promise<void> => {
  const support = await world.assertion('support-agent');
  const reporting = await world.assertion('reporting-agent');
  for (let number = 0; number < 4; number += 1) {
    const request_id = `of-${number}`;
    await world.exchange({ ...READ, subject_token: support, request_id: `read-${number}` });
    const waiting = [
      await world.exchange({ ...KNOWLEDGE, subject_token: support, request_id }),
      await world.exchange({ ...PAYROLL, subject_token: reporting, request_id }),
    ];
    for (const { body } of number % 2 === 0 ? waiting : []) await world.vote(body.request_id, 'approve');
    await world.exchange({ ...PAYROLL, subject_token: reporting, request_id });
  }
};

/** Cursors as the lists make them, for every row: of others' rows too. */
const cursorsOf = async (): Promise<string[]> => {
  const { rows: places } = await sql<{ id: string; time: string }>`
    select id, to_char(time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time
    from access_requests, unnest(array[opened_at, decided_at]) as time where time is not null`.execute(
    world.database.db,
  );
  return places.flatMap(({ id, time }) => [0, 1, 3, 5, 9].map((rank) => `${rank}~${time}~${id}`));
};

beforeAll(async () => {
  world = await startWorld();
  await openRows();
  const { rows: found } = await sql<{ id: string; audience: string }>`
    select r.id, r.audience from access_requests r
    union select t.jti, r.audience from tokens t join grants g on g.id = t.grant_id
      join access_requests r on r.id = g.request_id`.execute(world.database.db);
  rows = new Map(found.map(({ id, audience }) => [id, audience]));
  known = [
    ...rows.keys(),
    ...(await cursorsOf()),
    ...[
      'support-agent',
      'reporting-agent',
      'nobody',
      'knowledge',
      'api://reports.prod',
      'token.issued',
      'any',
    ],
    ...[
      'ACTIVE',
      'rotated',
      'approved',
      'denied',
      'prod',
      'high',
      'Lab approver',
      '1',
      '7',
      '999999999999999',
    ],
    ...['2026-01-31', '2026-11-26T08:00:00Z', '08:00', 'agent_blocked'],
  ];
  const nothing = () => 'nothing' as const;
  const lists = (page: Page) => (isQueue(page) ? 'nothing' : 'all');
  readers = {
    auditor: { headers: await signIn(['Auditor']), sees: lists },
    editor: {
      headers: await signIn(['Approver', 'Approver.knowledge']),
      sees: (page) => (isQueue(page) ? 'knowledge' : 'nothing'),
    },
    visitor: { headers: await signIn([]), sees: nothing },
    stranger: { headers: { accept: 'text/html' }, sees: nothing },
    tool: { headers: { authorization: `Bearer ${await world.assertion('tool')}` }, sees: lists },
    agent: { headers: { authorization: `Bearer ${await world.assertion('ops-agent')}` }, sees: nothing },
  };
});
afterAll(() => world.stop());

const HOSTILE = [
  ...["' or true --", "');drop table tokens;--", '%', '_', '\\', '*', '-1', '0', '1e9'],
  ...['99999999999999999999', 'null', 'NaN', 'infinity', '-infinity', 'now', 'epoch', '0000-01-01'],
  ...['0001-01-01T00:00:00+23:59', '9999-12-31T23:59:59.999999999-23:59', '2026-02-31'],
  ...['2026-02-31T25:61:61Z', '0~0001-01-01T00:00:00.000000Z~x', '9~9999-12-31T23:59:59.999999Z~x'],
  ...['0~2026-02-31T00:00:00.000000Z~x', '{}', '{"$ne":1}', '\u0000', '\u202e', '<script>'],
];
const NAMES: Readonly<Record<Page, readonly string[]>> = {
  '/tokens': ['after', 'jti', 'agent', 'audience', 'request', 'state'],
  '/audit': ['before', 'agent', 'request', 'event', 'reason', 'from', 'to'],
  '/approvals': ['after', 'agent', 'api', 'environment', 'sensitivity', 'show'],
  '/approvals?show=decided': ['after', 'agent', 'api', 'outcome', 'approver', 'from', 'to'],
};
const NO_NAMES = [
  'sort',
  'order',
  'limit',
  'offset',
  'after[]',
  'after[x]',
  '__proto__',
  'constructor',
] as const;

const encode = (text: string): string => encodeURIComponent(text.toWellFormed());
const bytes = fc
  .uint8Array({ maxLength: 12 })
  .map((raw) => [...raw].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''));
/** A value as it stands in an address: right, nearly right, or anything. */
const aValue = (): fc.Arbitrary<string> => {
  const right = fc.constantFrom(...known);
  const edited = fc
    .tuple(right, fc.nat({ max: 80 }), fc.nat({ max: 3 }), fc.string({ maxLength: 3 }))
    .map(([text, at, less, more]) => text.slice(0, at) + more + text.slice(at + less));
  const otherDigit = fc.tuple(right, fc.nat({ max: 12 }), fc.nat({ max: 9 })).map(([text, at, digit]) => {
    let place = -1;
    return text.replaceAll(/\d/g, (old) => {
      place += 1;
      return place === at ? String(digit) : old;
    });
  });
  return fc.oneof(
    right.map(encode),
    { weight: 3, arbitrary: otherDigit.map(encode) },
    edited.map(encode),
    fc.constantFrom(...HOSTILE).map(encode),
    fc.string({ unit: 'binary', maxLength: 200 }).map(encode),
    bytes,
    fc.constantFrom('', '%zz', '%', '%ED%A0%80', '%c0%af', '+'),
  );
};

type Asked = { readonly reader: string; readonly page: Page; readonly query: string };

/** Mostly by who may read it. */
const anAsked = (): fc.Arbitrary<Asked> => {
  const all = Object.keys(readers).flatMap((reader) => PAGES.map((page) => ({ reader, page })));
  const open = all.filter(({ reader, page }) => readers[reader]?.sees(page) !== 'nothing');
  return fc
    .oneof({ weight: 4, arbitrary: fc.constantFrom(...open) }, fc.constantFrom(...all))
    .chain((asked) => {
      const name = fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...NAMES[asked.page]) },
        fc.constantFrom(...NO_NAMES),
      );
      return fc
        .array(fc.tuple(name, aValue()), { minLength: 1, maxLength: 4 })
        .map((pairs) => ({ ...asked, query: pairs.map(([key, value]) => `${key}=${value}`).join('&') }));
    });
};

const idsIn = (text: string): string[] => text.match(/(?:areq|tok)_[\w-]{22}/g) ?? [];

const mayShow = (sees: ReturnType<Reader['sees']>, id: string): boolean =>
  sees === 'all' || (sees === 'knowledge' && rows.get(id) === KNOWLEDGE.audience);

/** 503 is what a machine under load answers to anything: asked again. */
const ask = async (path: string, headers: Reader['headers']): Promise<Answer> => {
  for (;;) {
    const answer = await world.get(path, headers);
    if (answer.status !== 503) return answer;
  }
};

/** Filters that name one thing, and the member that tells it. */
const EXACT: Partial<Record<Page, Readonly<Record<string, string>>>> = {
  '/tokens': { jti: 'jti', agent: 'agent', audience: 'audience', request: 'request_id' },
  '/audit': { agent: 'agent', request: 'request_id', event: 'name' },
};

const isNarrowed = (items: readonly Record<string, unknown>[], page: Page, query: string): void => {
  for (const [filter, member] of Object.entries(EXACT[page] ?? {})) {
    const typed = new URLSearchParams(query).getAll(filter).join(' ').trim();
    if (typed !== '') expect(items.filter((item) => item[member] !== typed)).toEqual([]);
  }
};

it('lists asked for with made-up cursors and filters fail nobody, and show nobody a row beyond their view (T107)', {
  timeout: 120_000,
}, async () => {
  const statuses = new Set<number>();
  const shown = new Set<string>();
  await fc.assert(
    fc.asyncProperty(anAsked(), async ({ reader, page, query }) => {
      const { headers, sees } = readers[reader] as Reader;
      const { status, body } = await ask(`${page}${page.includes('?') ? '&' : '?'}${query}`, headers);
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      expect(status).toBeLessThan(500);
      statuses.add(status);
      const ids = idsIn(text).filter((id) => rows.has(id) && !query.includes(id));
      if (ids.length > 0) shown.add(`${reader} ${page}`);
      expect(ids.filter((id) => !mayShow(sees(page), id))).toEqual([]);
      if (status === 200 && Array.isArray(body.items)) isNarrowed(body.items, page, query);
    }),
    { numRuns: RUNS, seed: 107 },
  );
  // What is only ever refused, or shows nothing, says nothing of cursors.
  expect([...statuses].sort()).toEqual([200, 303, 400, 403]);
  expect([...shown].sort()).toEqual([
    'auditor /audit',
    'auditor /tokens',
    'editor /approvals',
    'editor /approvals?show=decided',
    'tool /audit',
    'tool /tokens',
  ]);
});
