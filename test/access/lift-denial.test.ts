/** A denial that is lifted before its time: by whom, once, and what it leaves. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { findDenied, type Lifting, liftDenial } from '../../src/access/lift-denial.ts';
import { castVote } from '../../src/access/vote.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { approver, decisionWith, freshScope, openRequest, seed, VOTED_ON, whoIs } from '../support/access.ts';
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

const denied = async (approval: Parameters<typeof decisionWith>[0] = {}) => {
  const scopes = [freshScope(), freshScope()];
  const request = await openRequest(database, decisionWith(approval), scopes);
  const { decisionNow } = VOTED_ON;
  const voter = approver({ authenticatedAt: new Date() });
  const vote = { ...request, ...VOTED_ON, reason: 'not now', approver: voter, decisionNow };
  expect(await castVote(database, { ...vote, verdict: 'deny' })).toEqual({ outcome: 'denied' });
  return { ...request, scopes, voter };
};

const lifting = (requestId: string, changes: Partial<Lifting> = {}): Lifting => ({
  requestId,
  reason: 'the month is closed now',
  person: approver(),
  who: whoIs({}),
  registryRevision: 1,
  traceId: null,
  ...changes,
});

const eventsOf = async (requestId: string, name: string) =>
  (
    await sql<{ body: unknown }>`select convert_from(body, 'UTF8')::jsonb as body from audit_events
      where request_id = ${requestId} and name = ${name} order by position`.execute(database.db)
  ).rows.map(({ body }) => body);

it('is lifted by exactly one of two people at one instant, with one event', async () => {
  for (let round = 0; round < 25; round += 1) {
    const { requestId } = await denied();
    const outcomes = await Promise.all([1, 2].map(() => liftDenial(database, lifting(requestId))));
    expect(outcomes).toContainEqual({ outcome: 'lifted' });
    expect(outcomes).toContainEqual({ refused: 'denial_over' });
    expect(await eventsOf(requestId, 'denial.lifted')).toHaveLength(1);
    expect(await eventsOf(requestId, 'approval.refused')).toMatchObject([
      { refused: 'denial_over', verdict: 'lift' },
    ]);
  }
});

it('is lifted for every scope, told with who, by which role and why, and leaves the request denied', async () => {
  const { requestId, scopes, voter } = await denied();
  expect(await findDenied(database, requestId)).toMatchObject({
    requestId,
    heldUntil: expect.any(Date),
    deniedBy: [{ tenant: voter.tenant, object: voter.object }],
  });
  const person = approver({ roles: ['Operator', 'Approver.payroll'] });
  expect(await liftDenial(database, lifting(requestId, { person }))).toEqual({ outcome: 'lifted' });
  expect(await eventsOf(requestId, 'denial.lifted')).toMatchObject([
    {
      person: { tenant: person.tenant, object: person.object },
      roles: ['Approver.payroll', 'Operator'],
      reason: 'the month is closed now',
      scopes,
    },
  ]);
  expect(await findDenied(database, requestId)).toMatchObject({ heldUntil: null });
  const { rows } = await sql`select state from access_requests where id = ${requestId}`.execute(database.db);
  expect(rows).toEqual([{ state: 'denied' }]);
  await openRequest(database, decisionWith({}), scopes);
});

const owner = approver();
const other = approver();
it.each<[string, Partial<Lifting>, string]>([
  ['an owner of the agent', { person: owner, who: whoIs({ owners: [owner] }) }, 'owner'],
  [
    'an Operator who owns it',
    { person: { ...owner, roles: ['Operator'] }, who: whoIs({ owners: [owner] }) },
    'owner',
  ],
  [
    'somebody whose other account owns it',
    { person: other, who: whoIs({ owners: [owner], accounts: [owner, other] }) },
    'owner',
  ],
  ['an approver of another group', { person: approver({ roles: ['Approver.release'] }) }, 'not_eligible'],
  ['an auditor', { person: approver({ roles: ['Auditor', 'Approver'] }) }, 'not_eligible'],
  ['a workload', { person: other, who: whoIs({ workloads: [other] }) }, 'not_a_person'],
  [
    'somebody who signed in yesterday',
    { person: approver({ signedInAt: new Date(Date.now() - 86_400_000) }) },
    'sign_in_too_old',
  ],
])('is not lifted by %s', async (_name, changes, refused) => {
  const { requestId } = await denied();
  expect(await liftDenial(database, lifting(requestId, changes))).toEqual({ refused });
  expect(await eventsOf(requestId, 'approval.refused')).toMatchObject([{ refused, verdict: 'lift' }]);
  expect(await findDenied(database, requestId)).toMatchObject({ heldUntil: expect.any(Date) });
});

it('takes as fresh a sign-in as the rule asks of a vote', async () => {
  const { requestId } = await denied({ signInSeconds: 300 });
  expect(await liftDenial(database, lifting(requestId))).toEqual({ refused: 'step_up_missing' });
  const person = approver({ authenticatedAt: new Date() });
  expect(await liftDenial(database, lifting(requestId, { person }))).toEqual({ outcome: 'lifted' });
});

it('is not lifted on an earlier revision of the registry', async () => {
  const { requestId } = await denied();
  expect(await liftDenial(database, lifting(requestId, { registryRevision: 0 }))).toEqual({
    overtaken: true,
  });
});

it('is over, not lifted, once its time is, and is not found where nobody denied', async () => {
  const { requestId } = await denied();
  await sql`update denials set held_until = now() where request_id = ${requestId}`.execute(database.db);
  expect(await liftDenial(database, lifting(requestId))).toEqual({ refused: 'denial_over' });
  const waiting = await openRequest(database, decisionWith({}));
  for (const id of [waiting.requestId, 'areq_unknown'])
    expect(await liftDenial(database, lifting(id))).toEqual({ refused: 'not_found' });
  expect(await findDenied(database, waiting.requestId)).toBeNull();
});
