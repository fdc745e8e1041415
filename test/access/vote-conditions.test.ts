/** Groups that must, denials of several, and what policy says by the time of the vote. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DecisionNow, Vote } from '../../src/access/check-vote.ts';
import { castVote, type VoteOutcome } from '../../src/access/vote.ts';
import type { ApprovalTerms } from '../../src/policy/decision.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { APPROVAL, approver, decisionWith, openRequest, seed, VOTED_ON, whoIs } from '../support/access.ts';
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

type Request = Awaited<ReturnType<typeof openRequest>>;

/** What policy says now: what the request was opened with, with something changed. */
const now = (approval: Partial<ApprovalTerms> = {}): DecisionNow => ({
  ...VOTED_ON.decisionNow,
  approval: { ...APPROVAL, ...approval },
});

const vote = (
  request: Request,
  changes: Partial<Vote> & { readonly groups?: string[] } = {},
): Promise<VoteOutcome> =>
  castVote(database, {
    ...request,
    verdict: 'approve',
    reason: 'month end',
    approver: approver({ roles: (changes.groups ?? ['payroll']).map((group) => `Approver.${group}`) }),
    ...VOTED_ON,
    decisionNow: { ...VOTED_ON.decisionNow, decision: 'permit', approval: null },
    ...changes,
  });

const stateOf = async ({ requestId }: Request): Promise<string | undefined> =>
  (
    await sql<{ state: string }>`select state from access_requests where id = ${requestId}`.execute(
      database.db,
    )
  ).rows[0]?.state;

const BOTH = { groups: ['payroll', 'security'], requiredGroups: ['payroll', 'security'], quorum: 2 };

describe('a request that two groups must approve', () => {
  it('is not approved by two people of one of them, but once one of the other joins', async () => {
    const request = await openRequest(database, decisionWith(BOTH));
    expect(await vote(request)).toEqual({ outcome: 'counted' });
    expect(await vote(request)).toEqual({ outcome: 'counted' });
    expect(await vote(request, { groups: ['security'] })).toEqual({ outcome: 'approved' });
  });

  it('is approved by two people at one instant, one of whom is in both', async () => {
    for (let round = 0; round < 25; round += 1) {
      const request = await openRequest(database, decisionWith(BOTH));
      const outcomes = await Promise.all([
        vote(request, { groups: ['payroll', 'security'] }),
        vote(request, { groups: ['payroll'] }),
      ]);
      expect(outcomes).toContainEqual({ outcome: 'counted' });
      expect(outcomes).toContainEqual({ outcome: 'approved' });
    }
  });
});

describe('a request that takes two people to deny', () => {
  const TWO = { quorum: 3, denyQuorum: 2 };

  it('waits after one denial, and that person cannot deny again', async () => {
    const request = await openRequest(database, decisionWith(TWO));
    const person = approver();
    expect(await vote(request, { verdict: 'deny', approver: person })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { verdict: 'deny', approver: person })).toEqual({ refused: 'already_voted' });
    expect(await vote(request, { approver: person })).toEqual({ refused: 'already_voted' });
    expect(await stateOf(request)).toBe('pending');
  });

  it('counts both of two denials at one instant', async () => {
    for (let round = 0; round < 25; round += 1) {
      const request = await openRequest(database, decisionWith(TWO));
      const outcomes = await Promise.all([
        vote(request, { verdict: 'deny' }),
        vote(request, { verdict: 'deny' }),
      ]);
      expect(outcomes).toContainEqual({ outcome: 'counted' });
      expect(outcomes).toContainEqual({ outcome: 'denied' });
    }
  });

  it('is denied by one if the rule says by now that one is enough', async () => {
    const request = await openRequest(database, decisionWith(TWO));
    expect(await vote(request, { verdict: 'deny', decisionNow: now() })).toEqual({ outcome: 'denied' });
  });
});

describe('people whom the registry tells apart only later', () => {
  const [one, another, third] = [approver(), approver(), approver()];
  const linked = whoIs({ accounts: [one, another] });

  it('count once for an approval, by whichever of their accounts they gave it', async () => {
    const request = await openRequest(database, decisionWith({ quorum: 3 }));
    expect(await vote(request, { approver: one })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { approver: another })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { approver: third, who: linked })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { who: linked })).toEqual({ outcome: 'approved' });
  });

  it('count once for a denial, too', async () => {
    const request = await openRequest(database, decisionWith({ denyQuorum: 3 }));
    const deny = { verdict: 'deny' } as const;
    expect(await vote(request, { ...deny, approver: one })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { ...deny, approver: another })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { ...deny, approver: third, who: linked })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { ...deny, who: linked })).toEqual({ outcome: 'denied' });
  });

  it.each([
    ['an owner', { owners: [one] }],
    ['an owner by another account', { owners: [another], accounts: [one, another] }],
    ['no person', { workloads: [one] }],
  ])('do not count for an approval once they are known as %s', async (_name, known) => {
    const request = await openRequest(database, decisionWith({ quorum: 2 }));
    expect(await vote(request, { approver: one })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { approver: third, who: whoIs(known) })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { who: whoIs(known) })).toEqual({ outcome: 'approved' });
  });
});

describe('a rule that changed after the request was opened', () => {
  it('and asks for more people by now holds the approval back until they came', async () => {
    const request = await openRequest(database, decisionWith({}));
    const decisionNow = now({ quorum: 2 });
    expect(await vote(request, { decisionNow })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { decisionNow })).toEqual({ outcome: 'approved' });
  });

  it('and asks for fewer people does not make it easier', async () => {
    const request = await openRequest(database, decisionWith({ quorum: 2 }));
    expect(await vote(request, { decisionNow: now() })).toEqual({ outcome: 'counted' });
    expect(await vote(request, { decisionNow: now() })).toEqual({ outcome: 'approved' });
  });

  it.each<[string, DecisionNow, 'approve' | 'deny', VoteOutcome]>([
    ['names other groups', now({ groups: ['security'] }), 'approve', { refused: 'not_eligible_now' }],
    ['names other groups', now({ groups: ['security'] }), 'deny', { refused: 'not_eligible_now' }],
    ['denies', { ...now(), decision: 'deny', approval: null }, 'approve', { refused: 'policy_denies' }],
    ['denies', { ...now(), decision: 'deny', approval: null }, 'deny', { outcome: 'denied' }],
  ])('and %s (%s)', async (_name, decisionNow, verdict, outcome) => {
    const request = await openRequest(database, decisionWith({}));
    expect(await vote(request, { decisionNow, verdict })).toEqual(outcome);
  });

  it.each<[string, Partial<Vote>]>([
    ['policy', { decisionNow: { ...now(), bundleRevision: 'bundle-0' } }],
    ['the registry', { registryRevision: 0 }],
  ])('takes no vote that was prepared on an earlier revision of %s', async (_name, changes) => {
    const request = await openRequest(database, decisionWith({}));
    expect(await vote(request, changes)).toEqual({ overtaken: true });
    expect(await stateOf(request)).toBe('pending');
  });
});
