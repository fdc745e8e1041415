/** The state machine against its model: whatever happens to an agent's requests, in whatever order, and several at once. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkPromises, checkPromisesOf } from '../support/promises.ts';
import { ExpectedAgent } from './expected.ts';
import { type RealWorld, startRealWorld } from './real-world.ts';
import { openSteps, type Steps } from './steps.ts';

const LANES = 4;
/** Most mistakes need few steps; some need many. */
const SHORT = { sequences: 2_100, steps: 8 };
const LONG = { sequences: 300, steps: 30 };
const SEQUENCES_OF_LANE = SHORT.sequences + LONG.sequences;
/** Policy is everybody's, so these come one after the other, in a world of their own. */
const SEQUENCES_WITH_POLICY = 400;
/** What shrinking may need besides. */
const SPARE = 500;
const SEED = 0x6c696665;

type Ground = { readonly world: RealWorld; readonly steps: Steps; agents: number };

const openGround = async (sequences: number, withPolicy: boolean): Promise<Ground> => {
  const world = await startRealWorld(sequences + SPARE);
  return { world, steps: openSteps(world, { withPolicy }), agents: 0 };
};

let shared: Ground;
let changing: Ground;

beforeAll(async () => {
  shared = await openGround(LANES * SEQUENCES_OF_LANE, false);
  changing = await openGround(SEQUENCES_WITH_POLICY, true);
}, 120_000);
afterAll(async () => {
  for (const { world } of [shared, changing]) {
    await checkPromises(world.database);
    await world.stop();
  }
}, 120_000);

const runLane = (ground: Ground, { sequences, steps }: typeof LONG, seed: number): Promise<void> =>
  fc.assert(
    fc.asyncProperty(fc.commands(ground.steps.any, { maxCommands: steps, size: 'max' }), async (commands) => {
      const { world } = ground;
      const agent = world.agent(ground.agents);
      ground.agents += 1;
      if (ground === changing) await world.replacePolicy(false);
      await fc.asyncModelRun(
        () => ({ model: new ExpectedAgent(), real: { agent, names: { ids: [], tokens: [] } } }),
        commands,
      );
      await checkPromisesOf(world.database, agent.id);
    }),
    { numRuns: sequences, seed },
  );

it('answers as the model does, through 10,000 sequences of steps, and keeps every promise', {
  timeout: 1_100_000,
}, async () => {
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    await runLane(shared, LONG, SEED + lane);
    await runLane(shared, SHORT, SEED + LANES + lane);
  });
  lanes.push(runLane(changing, { ...LONG, sequences: SEQUENCES_WITH_POLICY }, SEED + 2 * LANES));
  for (const lane of await Promise.allSettled(lanes)) if (lane.status === 'rejected') throw lane.reason;
  expect([shared.agents, changing.agents]).toEqual([LANES * SEQUENCES_OF_LANE, SEQUENCES_WITH_POLICY]);
  // A model that never came to something says nothing about it.
  expect([...new Set([...shared.steps.met, ...changing.steps.met])].sort()).toEqual([
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
    'passed',
    'pending',
    'request_cancelled',
    'request_expired',
    'request_id_reused',
    'revoked',
    'set',
    'strict policy',
    'taken back',
    'usual policy',
  ]);
});
