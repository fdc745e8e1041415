/** The state machine against its model: whatever happens to an agent's requests, in whatever order, and several at once. */
import fc, { type AsyncCommand } from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sweep } from '../../src/access/sweep.ts';
import type { Outcome } from '../../src/oauth/outcome.ts';
import { DatabaseUnavailable } from '../../src/storage/database.ts';
import { checkPromises, checkPromisesOf } from '../support/promises.ts';
import { type Expected, ExpectedAgent, type Key, type Request } from './expected.ts';
import { type RealAgent, type RealWorld, startRealWorld } from './real-world.ts';
import { PASSES, SCOPES, type Scope } from './rules.ts';

const LANES = 4;
const SEQUENCES_OF_LANE = 325;
/** What shrinking may need besides. */
const SPARE = 500;

let world: RealWorld;
let agents = 0;
let stepsRun = 0;
/** What exchanges were answered: a model that never came to something says nothing about it. */
const answered = new Set<string>();

beforeAll(async () => {
  world = await startRealWorld(LANES * SEQUENCES_OF_LANE + SPARE);
});
afterAll(async () => {
  await checkPromises(world.database);
  await world.stop();
});

/** The agent as it is, and what its numbered requests and tokens are called. */
type Real = { readonly agent: RealAgent; readonly ids: string[]; readonly tokens: string[] };
type Step = AsyncCommand<ExpectedAgent, Real>;

const isSame = (names: string[], number: number, name: string): void => {
  if (number === names.length) {
    expect(names).not.toContain(name);
    names.push(name);
  }
  expect(name).toBe(names[number]);
};

const isAnswered = ({ ids, tokens }: Real, outcome: Outcome, expected: Expected): void => {
  if (expected.kind === 'refused') {
    expect(outcome).toMatchObject({ kind: 'refused', reason: expected.reason });
    if (outcome.kind === 'refused' && expected.requests !== null)
      expect(expected.requests.map((number) => ids[number])).toContain(outcome.requestId);
    return;
  }
  expect(outcome).toMatchObject(
    expected.kind === 'pending' ? { kind: 'pending', early: false } : { kind: 'issued' },
  );
  isSame(ids, expected.request, outcome.requestId ?? '');
  if (expected.kind === 'issued' && outcome.kind === 'issued') isSame(tokens, expected.token, outcome.jti);
};

const step = (name: string, check: (model: ExpectedAgent) => boolean, run: Step['run']): Step => ({
  check,
  run: async (model, real) => {
    stepsRun += 1;
    await run(model, real);
  },
  toString: () => name,
});
const always = (): boolean => true;

const exchange = (key: Key['kind'], request: number, scope: Scope, times: number): Step =>
  step(
    `${times} x exchange by ${key} ${key === 'broker' ? request : ''} for ${scope}`,
    ({ requests }) => key !== 'broker' || request < requests.length,
    async (model, real) => {
      const named: Key = key === 'broker' ? { kind: key, request } : { kind: key };
      const known = [...real.ids];
      const asked = Array.from({ length: times }, () =>
        real.agent.exchange({ key: named, scope, ids: known }),
      );
      const expected = model.exchange(named, scope);
      answered.add(expected.kind === 'refused' ? expected.reason : expected.kind);
      for (const outcome of await Promise.all(asked)) isAnswered(real, outcome, expected);
    },
  );

/** Something that happens to a request that exists. */
const onRequest = (
  name: string,
  request: number,
  {
    check,
    run,
  }: {
    readonly check: (model: ExpectedAgent, request: Request) => boolean;
    readonly run: (model: ExpectedAgent, request: Request, real: Real) => Promise<void>;
  },
): Step =>
  step(
    `${name} ${request}`,
    (model) => {
      const found = model.requests[request];
      return found !== undefined && check(model, found);
    },
    async (model, real) => {
      const found = model.requests[request];
      if (found !== undefined) await run(model, found, real);
    },
  );

const vote = (request: number, voter: number, verdict: 'approve' | 'deny'): Step =>
  onRequest(`person ${voter} would ${verdict}`, request, {
    check: (_, { state }) => state !== 'permitted',
    run: async (model, found, { agent, ids }) => {
      expect(await agent.vote(ids[request] ?? '', voter, verdict)).toBe(model.vote(found, voter, verdict));
    },
  });

const endGrant = (request: number): Step =>
  onRequest('end the grant of', request, {
    check: (model, found) => model.isLive(found),
    run: async (_, { grant }, { agent, ids }) => {
      expect(await agent.endGrant(ids[request] ?? '')).toBe(1);
      if (grant !== null) grant.state = 'revoked';
    },
  });

const pass = (seconds: number): Step =>
  step(`${seconds} s pass`, always, async (model, { agent }) => {
    model.now += seconds;
    await agent.pass(seconds);
  });

const setEnabled = (enabled: boolean): Step =>
  step(
    enabled ? 'enable' : 'disable',
    (model) => model.enabled !== enabled,
    async (model, { agent }) => {
      model.enabled = enabled;
      await agent.setEnabled(enabled);
    },
  );

/** Changes nothing that anybody can see at /token. One that met a lock is only late, as everywhere. */
const sweepNow = (): Step =>
  step('sweep', always, async () => {
    await sweep(world.database).catch((error: unknown) => expect(error).toBeInstanceOf(DatabaseUnavailable));
  });

const aRequest = fc.nat({ max: 3 });
const exchanges = fc
  .tuple(
    fc.constantFrom<Key['kind']>('own', 'own', 'digest', 'broker'),
    aRequest,
    fc.constantFrom(...SCOPES),
    fc.constantFrom(1, 1, 3),
  )
  .map((asked) => exchange(...asked));
const votes = fc
  .tuple(
    aRequest,
    fc.nat({ max: 2 }),
    fc.constantFrom('approve' as const, 'approve' as const, 'deny' as const),
  )
  .map((cast) => vote(...cast));

const steps: fc.Arbitrary<Step>[] = [
  exchanges,
  exchanges,
  exchanges,
  votes,
  votes,
  fc.constantFrom(...PASSES).map(pass),
  fc.oneof(
    aRequest.map(endGrant),
    fc.boolean().map(setEnabled),
    fc.constant(true).map(setEnabled),
    fc.constant(0).map(sweepNow),
  ),
];

const runLane = (lane: number): Promise<void> =>
  fc.assert(
    fc.asyncProperty(fc.commands(steps, { maxCommands: 30, size: 'max' }), async (commands) => {
      const agent = world.agent(agents);
      agents += 1;
      await fc.asyncModelRun(
        () => ({ model: new ExpectedAgent(), real: { agent, ids: [], tokens: [] } }),
        commands,
      );
      await checkPromisesOf(world.database, agent.id);
    }),
    { numRuns: SEQUENCES_OF_LANE, seed: 0x6c696665 + lane, interruptAfterTimeLimit: 280_000 },
  );

it('answers as the model does, through more than 10,000 steps in 1,300 sequences, and keeps every promise', {
  timeout: 300_000,
}, async () => {
  await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(lane)));
  expect(stepsRun).toBeGreaterThanOrEqual(10_000);
  expect([...answered].sort()).toEqual([
    'agent_disabled',
    'approval_lapsed',
    'denied_by_approver',
    'denied_by_policy',
    'grant_over',
    'grant_revoked',
    'issued',
    'pending',
    'request_expired',
    'request_id_reused',
  ]);
});
