import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Vote } from '../../src/access/check-vote.ts';
import { castVote, type VoteOutcome } from '../../src/access/vote.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import {
  AGENT,
  approver,
  decisionWith,
  freshScope,
  openRequest,
  seed,
  VOTED_ON,
  whoIs,
} from '../support/access.ts';
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

const vote = (
  request: { requestId: string; termsDigest: string },
  changes: Partial<Vote> = {},
): Promise<VoteOutcome> =>
  castVote(database, {
    ...request,
    verdict: 'approve',
    reason: 'month end',
    approver: approver(),
    ...VOTED_ON,
    ...changes,
  });

const stateOf = async (requestId: string) =>
  (
    await sql<{ state: string; approvals: number; grants: number }>`
      select state, approvals, (select count(*) from grants g where g.request_id = r.id) as grants
      from access_requests r where id = ${requestId}`.execute(database.db)
  ).rows[0];

const eventsOf = async (requestId: string): Promise<string[]> =>
  (
    await sql<{ name: string }>`
      select name from audit_events where request_id = ${requestId} order by position`.execute(database.db)
  ).rows.map(({ name }) => name);

describe('a vote', () => {
  it('approves a request of quorum one, opens its grant and tells both', async () => {
    const request = await openRequest(database, decisionWith({}));
    expect(await vote(request)).toEqual({ outcome: 'approved' });
    expect(await stateOf(request.requestId)).toEqual({ state: 'approved', approvals: 1, grants: 1 });
    expect(await eventsOf(request.requestId)).toEqual(['request.opened', 'approval.given', 'grant.opened']);
  });

  it('counts both of two votes of a quorum of two at the same instant', async () => {
    for (let round = 0; round < 50; round += 1) {
      const request = await openRequest(database, decisionWith({ quorum: 2 }));
      const outcomes = await Promise.all([vote(request), vote(request)]);
      expect(outcomes).toContainEqual({ outcome: 'counted' });
      expect(outcomes).toContainEqual({ outcome: 'approved' });
      expect(await stateOf(request.requestId)).toEqual({ state: 'approved', approvals: 2, grants: 1 });
    }
  });

  it('gives one outcome when one person approves and another denies at the same instant', async () => {
    for (let round = 0; round < 25; round += 1) {
      const request = await openRequest(database, decisionWith({}));
      const outcomes = await Promise.all([vote(request), vote(request, { verdict: 'deny' })]);
      expect(outcomes.filter((outcome) => 'refused' in outcome)).toEqual([{ refused: 'already_decided' }]);
      const state = await stateOf(request.requestId);
      expect(state?.grants).toBe(state?.state === 'approved' ? 1 : 0);
    }
  });

  it('counts one person once, however often and at whatever instant it comes', async () => {
    const request = await openRequest(database, decisionWith({ quorum: 2 }));
    const person = approver();
    const outcomes = await Promise.all([1, 2, 3].map(() => vote(request, { approver: person })));
    expect(outcomes.filter((outcome) => 'outcome' in outcome)).toEqual([{ outcome: 'counted' }]);
    expect(outcomes.filter((outcome) => 'refused' in outcome)).toEqual([
      { refused: 'already_voted' },
      { refused: 'already_voted' },
    ]);
    expect(await stateOf(request.requestId)).toEqual({ state: 'pending', approvals: 1, grants: 0 });
  });

  it('keeps a denial for every scope of the request', async () => {
    const scopes = [freshScope(), freshScope()];
    const request = await openRequest(database, decisionWith({}), scopes);
    expect(await vote(request, { verdict: 'deny' })).toEqual({ outcome: 'denied' });
    const { rows } = await sql<{ scope: string; held: boolean }>`
      select scope, held_until = denied_at + interval '1 hour' as held from denials
      where request_id = ${request.requestId} and agent_id = ${AGENT} order by scope`.execute(database.db);
    expect(rows).toEqual([
      { scope: scopes[0], held: true },
      { scope: scopes[1], held: true },
    ]);
    await expect(openRequest(database, decisionWith({}), scopes.slice(1))).rejects.toThrow('not opened');
  });

  const owner = approver();
  it.each<[string, Partial<Vote>, string]>([
    ['of an owner of the agent', { approver: owner, who: whoIs({ owners: [owner] }) }, 'owner'],
    [
      'of an owner spelled in other case',
      { approver: { ...owner, object: owner.object.toUpperCase() }, who: whoIs({ owners: [owner] }) },
      'owner',
    ],
    ['of somebody of another group', { approver: approver({ roles: ['Approver.release'] }) }, 'not_eligible'],
    ['of a reader of the queue alone', { approver: approver({ roles: ['Approver'] }) }, 'not_eligible'],
    [
      'from a sign-in of yesterday',
      { approver: approver({ signedInAt: new Date(Date.now() - 86_400_000) }) },
      'sign_in_too_old',
    ],
    [
      'from a sign-in at no time',
      { approver: approver({ signedInAt: new Date(Number.NaN) }) },
      'sign_in_too_old',
    ],
    ['on other terms than the request has', { termsDigest: 'of another page' }, 'terms_changed'],
  ])('is refused and changes nothing: a vote %s', async (_name, changes, refused) => {
    const request = await openRequest(database, decisionWith({}));
    expect(await vote(request, changes)).toEqual({ refused });
    expect(await stateOf(request.requestId)).toEqual({ state: 'pending', approvals: 0, grants: 0 });
    expect((await eventsOf(request.requestId)).at(-1)).toBe('approval.refused');
  });

  it('comes too late once the time is over, even before anybody swept', async () => {
    const request = await openRequest(database, decisionWith({}));
    await sql`update access_requests set expires_at = now() where id = ${request.requestId}`.execute(
      database.db,
    );
    expect(await vote(request)).toEqual({ refused: 'already_decided' });
  });

  it('on an unknown request is not found', async () => {
    expect(await vote({ requestId: 'areq_unknown', termsDigest: '' })).toEqual({ refused: 'not_found' });
  });
});
