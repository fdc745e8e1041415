/** Votes that leave less of the terms: what becomes of the request, of the votes before, and of others at that instant. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Vote } from '../../src/access/check-vote.ts';
import { type Narrowing, narrowedTerms } from '../../src/access/narrowing.ts';
import { type Terms, termsDigest } from '../../src/access/request-digest.ts';
import { castVote, type VoteOutcome } from '../../src/access/vote.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { approver, decisionWith, freshScope, openRequest, seed, VOTED_ON } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { checkPromises } from '../support/promises.ts';

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  await seed(database);
});
afterEach(() => checkPromises(database));
afterAll(async () => {
  await database.close();
  await fresh.drop();
});

type Stored = {
  readonly terms: Terms;
  readonly terms_digest: string;
  readonly state: string;
  readonly approvals: number;
};

const stored = async (requestId: string): Promise<Stored> => {
  const { rows } = await sql<Stored>`
    select terms, terms_digest, state, approvals from access_requests where id = ${requestId}`.execute(
    database.db,
  );
  if (rows[0] === undefined) throw new Error('no such request');
  return rows[0];
};

/** A vote on the terms as they were when the request was opened. */
const voter = async (quorum: number, scopes = [freshScope(), freshScope()].sort()) => {
  const request = await openRequest(database, decisionWith({ quorum }), scopes);
  const { terms } = await stored(request.requestId);
  const all = {
    scopes: terms.scopes,
    authorizationDetails: [],
    grantSeconds: terms.grant_seconds,
    maxTokens: terms.max_tokens,
  };
  const vote = (left: Partial<Narrowing> | null, changes: Partial<Vote> = {}): Promise<VoteOutcome> => {
    const narrowing = left === null ? null : { ...all, ...left };
    return castVote(database, {
      requestId: request.requestId,
      verdict: 'approve',
      reason: 'less will do',
      approver: approver(),
      ...VOTED_ON,
      narrowing,
      termsDigest: termsDigest(narrowing === null ? terms : narrowedTerms(terms, narrowing)),
      ...changes,
    });
  };
  return { ...request, scopes, vote };
};

it('opens a grant on what was left, and tells it', async () => {
  const { requestId, scopes, vote } = await voter(1);
  const [kept = ''] = scopes;
  expect(await vote({ scopes: [kept], grantSeconds: 60, maxTokens: 1 })).toEqual({ outcome: 'approved' });
  const { terms, terms_digest } = await stored(requestId);
  expect(terms).toMatchObject({ scopes: [kept], grant_seconds: 60, max_tokens: 1 });
  expect(terms_digest).toBe(termsDigest(terms));
  const { rows } = await sql<{ name: string }>`
    select name from audit_events where request_id = ${requestId} order by position`.execute(database.db);
  expect(rows.map(({ name }) => name)).toEqual([
    'request.opened',
    'request.narrowed',
    'approval.given',
    'grant.opened',
  ]);
});

it('voids the votes before: they sign again what was left, and count once', async () => {
  const { requestId, scopes, vote } = await voter(2);
  const first = approver();
  expect(await vote(null, { approver: first })).toEqual({ outcome: 'counted' });
  const less = { scopes: scopes.slice(1) };
  expect(await vote(less)).toEqual({ outcome: 'counted' });
  expect(await stored(requestId)).toMatchObject({ state: 'pending', approvals: 1 });
  expect(await vote(null, { approver: first })).toEqual({ refused: 'terms_changed' });
  expect(await vote(less, { approver: first })).toEqual({ outcome: 'approved' });
});

it('of two that narrow differently at one instant, one counts and the other reads again', async () => {
  for (let round = 0; round < 25; round += 1) {
    const { requestId, scopes, vote } = await voter(2);
    const [one = '', other = ''] = scopes;
    const outcomes = await Promise.all([vote({ scopes: [one] }), vote({ scopes: [other] })]);
    expect(outcomes).toContainEqual({ outcome: 'counted' });
    expect(outcomes).toContainEqual({ refused: 'narrowing_invalid' });
    expect(await stored(requestId)).toMatchObject({ state: 'pending', approvals: 1 });
  }
});

it('beside one on the whole at the same instant never adds up to a quorum', async () => {
  for (let round = 0; round < 25; round += 1) {
    const { requestId, scopes, vote } = await voter(2);
    await Promise.all([vote(null), vote({ scopes: scopes.slice(1) })]);
    expect(await stored(requestId)).toMatchObject({ state: 'pending', approvals: 1 });
  }
});

it.each<[string, (scopes: readonly string[]) => Partial<Narrowing>, Partial<Vote>, string]>([
  ['more actions', (scopes) => ({ scopes: [...scopes, 'zz.admin'] }), {}, 'narrowing_invalid'],
  ['more time', () => ({ grantSeconds: 86_400 }), {}, 'narrowing_invalid'],
  ['nothing', () => ({ scopes: [] }), {}, 'narrowing_invalid'],
  ['less, but denies', (scopes) => ({ scopes: scopes.slice(1) }), { verdict: 'deny' }, 'narrowing_invalid'],
  [
    'less than its page showed',
    () => ({ grantSeconds: 60 }),
    { termsDigest: 'of another page' },
    'terms_changed',
  ],
])('is refused and changes nothing if it asks for %s', async (_name, left, changes, refused) => {
  const { requestId, scopes, vote } = await voter(1);
  const before = await stored(requestId);
  expect(await vote(left(scopes), changes)).toEqual({ refused });
  expect(await stored(requestId)).toEqual(before);
});
