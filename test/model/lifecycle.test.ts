/** The state machine against its model: whatever happens to an agent's requests, in whatever order, and several at once. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkPromises, checkPromisesOf } from '../support/promises.ts';
import { ExpectedAgent } from './expected.ts';
import { type RealWorld, startRealWorld } from './real-world.ts';
import { openSteps, type Steps } from './steps.ts';

const LANES = 4;
const SEQUENCES_OF_LANE = 2_500;
/** What shrinking may need besides. */
const SPARE = 500;

let world: RealWorld;
let agents = 0;

beforeAll(async () => {
  world = await startRealWorld(LANES * SEQUENCES_OF_LANE + SPARE);
}, 120_000);
afterAll(async () => {
  await checkPromises(world.database);
  await world.stop();
}, 120_000);

const runLane = (lane: number, { any }: Steps): Promise<void> =>
  fc.assert(
    fc.asyncProperty(fc.commands(any, { maxCommands: 30, size: 'max' }), async (commands) => {
      const agent = world.agent(agents);
      agents += 1;
      await fc.asyncModelRun(
        () => ({ model: new ExpectedAgent(), real: { agent, ids: [], tokens: [] } }),
        commands,
      );
      await checkPromisesOf(world.database, agent.id);
    }),
    { numRuns: SEQUENCES_OF_LANE, seed: 0x6c696665 + lane },
  );

it('answers as the model does, through 10,000 sequences of steps, and keeps every promise', {
  timeout: 900_000,
}, async () => {
  const steps = openSteps(world);
  const lanes = Array.from({ length: LANES }, (_, lane) => runLane(lane, steps));
  for (const lane of await Promise.allSettled(lanes)) if (lane.status === 'rejected') throw lane.reason;
  expect(agents).toBe(LANES * SEQUENCES_OF_LANE);
  // A model that never came to something says nothing about it.
  expect([...steps.met].sort()).toEqual([
    'agent_disabled',
    'already_decided',
    'already_voted',
    'approval_lapsed',
    'approved',
    'assertion_superseded',
    'blocked',
    'cancelled',
    'closed',
    'counted',
    'denial_over',
    'denied',
    'denied_by_approver',
    'denied_by_policy',
    'ended',
    'grant_over',
    'grant_revoked',
    'issued',
    'lifted',
    'opened',
    'over',
    'pending',
    'request_cancelled',
    'request_expired',
    'request_id_reused',
    'revoked',
    'taken back',
  ]);
});
