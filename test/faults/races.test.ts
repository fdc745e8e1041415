/** The races of `test/model/races.test.ts` over HTTP: three broker processes, clients that are processes away. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentOf } from '../../lab/world.ts';
import { expireRequests } from '../../src/access/end.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../support/broker-process.ts';
import { voteBy, wordOf } from '../support/vote-as.ts';

const ROUNDS = 150;
const POLLERS = 50;
const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };

let world: TestWorld;
let brokers: BrokerProcess[];
beforeAll(async () => {
  world = await startWorld();
  brokers = await Promise.all([1, 2, 3].map(() => startBrokerProcess(world.settings)));
});
afterAll(async () => {
  for (const broker of brokers) expect(await broker.stop()).toBe(0);
  await world.stop();
});

const outcomeOf = ({ body }: Answer): string =>
  body.access_token ? JSON.parse(atob(body.access_token.split('.')[1])).jti : body.error;

/** A new person, whose role says that payroll is theirs to approve. */
const voteOnce = async (requestId: string, verdict: 'approve' | 'deny'): Promise<string> =>
  wordOf(
    await voteBy(world.database, {
      requestId,
      verdict,
      approver: {
        tenant: world.entra.world.tenant,
        object: randomUUID(),
        roles: ['Approver', 'Approver.payroll'],
        signedInAt: new Date(),
        authenticatedAt: null,
        authenticationContexts: [],
      },
      ownersOf: (agentId) => agentOf(world.entra.world, agentId).owners,
    }),
  );

const decide = (requestId: string): Promise<string[]> =>
  Promise.all([
    ...Array.from({ length: 4 }, () => voteOnce(requestId, 'approve')),
    voteOnce(requestId, 'deny'),
  ]);

const expire = async (requestId: string): Promise<void> => {
  await sql`update access_requests set expires_at = now() where id = ${requestId}`.execute(world.database.db);
  await expireRequests(world.database, [{ requestId, agentId: 'reporting-agent', grantId: null }]);
};

const ANSWERS = {
  approved: /^(authorization_pending|slow_down|tok_.*)$/,
  denied: /^(authorization_pending|slow_down|access_denied)$/,
  expired: /^(authorization_pending|slow_down|expired_token)$/,
} as const;

it('end each of 150 rounds over HTTP, at three broker processes, in one state with at most one jti', {
  timeout: 300_000,
}, async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const asked = {
      ...EXPORT,
      request_id: `round-${round}`,
      subject_token: await world.assertion('reporting-agent'),
    };
    const requestId = (await world.exchange(asked)).body.request_id;
    const poll = (_: unknown, index: number) =>
      world.exchange(asked, { port: brokers[index % brokers.length]?.port ?? 0 });
    const [first, second] = round % 2 === 0 ? [decide, expire] : [expire, decide];
    const acts = [first(requestId), second(requestId)];
    const answers = await Promise.all(Array.from({ length: POLLERS }, poll));
    const votes = (await Promise.all(acts)).flatMap((voted) => voted ?? []);
    const late = await Promise.all(brokers.map(poll));
    const { rows } = await sql<{ state: keyof typeof ANSWERS; tokens: number }>`
      select state, (select count(*) from grants g join tokens t on t.grant_id = g.id
        where g.request_id = r.id) as tokens from access_requests r where id = ${requestId}`.execute(
      world.database.db,
    );
    const { state, tokens } = rows[0] ?? expect.fail('the request is gone');
    const outcomes = [...answers, ...late].map(outcomeOf);
    for (const outcome of outcomes) expect(outcome).toMatch(ANSWERS[state]);
    expect(votes.filter((vote) => vote !== 'already_decided')).toEqual(state === 'expired' ? [] : [state]);
    const jtis = new Set(outcomes.filter((outcome) => outcome.startsWith('tok_')));
    expect([jtis.size, tokens]).toEqual(state === 'approved' ? [1, 1] : [0, 0]);
    // A denial holds for the action, whatever the next round's request is called.
    await sql`update denials set held_until = now() where request_id = ${requestId}`.execute(
      world.database.db,
    );
  }
});
