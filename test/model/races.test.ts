/**
 * Everything at the same instant, again and again: 50 who repeat, five who decide, and the end of the request's time,
 * through three brokers with connections of their own, at the functions that HTTP calls (D8, T81, T82).
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expireRequests } from '../../src/access/end.ts';
import type { Outcome } from '../../src/oauth/outcome.ts';
import { checkPromises } from '../support/promises.ts';
import type { RealAgent } from './real-agent.ts';
import { REPLICAS, type RealWorld, startRealWorld } from './real-world.ts';

const ROUNDS = 1_000;
const POLLERS = 50;
const VERDICTS = ['approve', 'approve', 'approve', 'approve', 'deny'] as const;

let world: RealWorld;
beforeAll(async () => {
  world = await startRealWorld(ROUNDS);
});
afterAll(async () => {
  await checkPromises(world.database);
  await world.stop();
});

/** A small generator (Lehmer), so that every run meets the same orders. */
let seed = 20_261_126;
const random = (below: number): number => {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed % below;
};

const shuffled = <T>(items: readonly T[]): T[] => {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = random(last + 1);
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
};

const write = { key: { kind: 'own' }, scope: 'write', ids: [] } as const;

/** The request's time is over, and a sweeper has noticed. */
const expire = async (requestId: string, agentId: string, replica: number): Promise<void> => {
  const database = world.databases[replica] ?? world.database;
  await sql`update access_requests set expires_at = now() where id = ${requestId}`.execute(database.db);
  await expireRequests(database, [{ requestId, agentId, grantId: null }]);
};

const wordOf = (outcome: Outcome): string =>
  outcome.kind === 'refused' ? outcome.reason : outcome.kind === 'issued' ? outcome.jti : outcome.kind;

type Round = { readonly votes: readonly string[]; readonly answers: readonly string[] };

const runRound = async (agent: RealAgent, requestId: string): Promise<Round> => {
  const votes: string[] = [];
  const answers: string[] = [];
  const poll = async (replica: number): Promise<void> =>
    void answers.push(wordOf(await agent.exchange({ ...write, replica })));
  const acts = shuffled([
    ...Array.from({ length: POLLERS }, (_, index) => () => poll(index % REPLICAS)),
    ...VERDICTS.map((verdict, voter) => async () => {
      votes.push(await agent.vote(requestId, { voter, verdict, replica: voter % REPLICAS }));
    }),
    () => expire(requestId, agent.id, random(REPLICAS)),
  ]);
  await Promise.all(acts.map((act) => act()));
  for (let replica = 0; replica < REPLICAS; replica += 1) await poll(replica);
  return { votes, answers };
};

const TERMINAL = {
  approved: { vote: 'approved', answers: /^(pending|tok_.*)$/, event: 'grant.opened' },
  denied: { vote: 'denied', answers: /^(pending|denied_by_approver)$/, event: 'denial.given' },
  expired: { vote: null, answers: /^(pending|request_expired)$/, event: 'request.expired' },
} as const;

const stateOf = async (requestId: string) => {
  const { rows } = await sql<{ state: keyof typeof TERMINAL; events: string[]; tokens: number }>`
    select r.state, (select count(*) from grants g join tokens t on t.grant_id = g.id where g.request_id = r.id) as tokens,
      array(select e.name from audit_events e where e.request_id = r.id
        and e.name in ('grant.opened', 'denial.given', 'request.expired')) as events
    from access_requests r where r.id = ${requestId}`.execute(world.database.db);
  return rows[0] ?? expect.fail('the request is gone');
};

it('ends each of 1,000 rounds in one state with one event and at most one jti, at three brokers', {
  timeout: 600_000,
}, async () => {
  const ends = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const agent = world.agent(round);
    const opened = await agent.exchange(write);
    const requestId = opened.requestId ?? '';
    const { votes, answers } = await runRound(agent, requestId);
    const { state, events, tokens } = await stateOf(requestId);
    const terminal = TERMINAL[state];
    ends.set(state, (ends.get(state) ?? 0) + 1);
    expect(events).toEqual([terminal.event]);
    expect(votes.filter((vote) => vote !== 'already_decided')).toEqual(
      terminal.vote === null ? [] : [terminal.vote],
    );
    for (const answer of answers) expect(answer).toMatch(terminal.answers);
    const jtis = new Set(answers.filter((answer) => answer.startsWith('tok_')));
    expect([jtis.size, tokens]).toEqual(state === 'approved' ? [1, 1] : [0, 0]);
  }
  expect([...ends.keys()].sort()).toEqual(['approved', 'denied', 'expired']);
});
