/** The steps of a sequence: what happens to an agent, in the model and for real, and that both say the same. */
import fc, { type AsyncCommand } from 'fast-check';
import { expect } from 'vitest';
import { sweep } from '../../src/access/sweep.ts';
import type { Outcome } from '../../src/oauth/outcome.ts';
import { DatabaseUnavailable } from '../../src/storage/database.ts';
import type { ExpectedAgent } from './expected.ts';
import type { RealAgent } from './real-agent.ts';
import type { RealWorld } from './real-world.ts';
import { PASSES, SCOPES, type Scope } from './rules.ts';
import type { Expected, Key, Request } from './states.ts';

/** The agent as it is, and what its numbered requests and tokens are called. */
type Real = { readonly agent: RealAgent; readonly ids: string[]; readonly tokens: string[] };
type Step = AsyncCommand<ExpectedAgent, Real>;

export type Steps = {
  readonly any: fc.Arbitrary<Step>[];
  /** What was answered, of exchanges and of everything else. */
  readonly met: ReadonlySet<string>;
};

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

const always = (): boolean => true;

/** Names what happens, when it can, and what then happens to both. */
const step = (name: string, check: (model: ExpectedAgent) => boolean, run: Step['run']): Step => ({
  check,
  run,
  toString: () => name,
});

type ToRequest = {
  readonly check: (model: ExpectedAgent, request: Request) => boolean;
  /** What it must come to, and what it comes to. */
  readonly model: (model: ExpectedAgent, request: Request) => string;
  readonly real: (agent: RealAgent, id: string) => Promise<string>;
};

const PEOPLE_MAX = 2;
const aPerson = fc.nat({ max: PEOPLE_MAX });
const aRequest = fc.nat({ max: 3 });

export const openSteps = ({ database }: RealWorld): Steps => {
  const met = new Set<string>();

  const exchange = (key: Key['kind'], request: number, scope: Scope, more: Repeats): Step =>
    step(
      `${more.times} x exchange by ${key} ${key === 'broker' ? request : ''} for ${scope}${more.outdated ? ', outdated' : ''}`,
      ({ requests }) => key !== 'broker' || request < requests.length,
      async (model, real) => {
        const named: Key = key === 'broker' ? { kind: key, request } : { kind: key };
        const { times, outdated } = more;
        const asked = { key: named, scope, ids: [...real.ids], outdated };
        const outcomes = Array.from({ length: times }, () => real.agent.exchange(asked));
        const expected = model.exchange(named, scope, outdated);
        met.add(expected.kind === 'refused' ? expected.reason : expected.kind);
        for (const outcome of await Promise.all(outcomes)) isAnswered(real, outcome, expected);
      },
    );

  /** Something that happens to a request that exists. */
  const toRequest = (name: string, request: number, { check, model, real }: ToRequest): Step =>
    step(
      `${name} ${request}`,
      (expected) => {
        const found = expected.requests[request];
        return found !== undefined && check(expected, found);
      },
      async (expected, { agent, ids }) => {
        const word = model(expected, expected.requests[request] as Request);
        met.add(word);
        expect(await real(agent, ids[request] ?? '')).toBe(word);
      },
    );

  const vote = (request: number, voter: number, verdict: 'approve' | 'deny' | 'approve one token'): Step => {
    const leaves = verdict === 'approve one token' ? { maxTokens: 1 } : undefined;
    const cast = { voter, verdict: verdict === 'deny' ? ('deny' as const) : ('approve' as const), leaves };
    return toRequest(`person ${voter} would ${verdict} of`, request, {
      check: (_, { state }) => state !== 'permitted',
      model: (model, found) => model.vote(found, cast),
      real: (agent, id) => agent.vote(id, cast),
    });
  };

  const liftDenial = (request: number, voter: number): Step =>
    toRequest(`person ${voter} lifts the denial of`, request, {
      check: (_, { state }) => state === 'denied',
      model: (model, found) => model.liftDenial(found),
      real: (agent, id) => agent.liftDenial(id, voter),
    });

  const cancel = (request: number): Step =>
    toRequest('an operator cancels', request, {
      check: (model, found) => model.isWaiting(found),
      model: (model, found) => model.cancel(found),
      real: (agent, id) => agent.cancel(id),
    });

  const endGrant = (request: number, by: 'operator' | 'agent'): Step =>
    toRequest(`the ${by} ends the grant of`, request, {
      check: (model, found) => model.isLive(found),
      model: (model, found) => model.endGrant(found, by),
      real: (agent, id) => agent.endGrant(id, by),
    });

  const revokeToken = (number: number): Step =>
    step(
      `revoke token ${number}`,
      ({ tokens }) => number < tokens.length,
      async (model, { agent, tokens }) => {
        const word = model.revokeToken(number);
        met.add(word);
        expect(await agent.revokeToken(tokens[number] ?? '')).toBe(word);
      },
    );

  /** A grant that nobody picked up may have been found so by a sweeper or not: that is not told apart here. */
  const block = (lasting: boolean): Step =>
    step(
      lasting ? 'block' : 'take back all',
      (model) => !(model.blocked || model.requests.some(model.isLapsing)),
      async (model, { agent }) => {
        model.endAll(lasting);
        met.add(lasting ? 'closed' : 'taken back');
        await agent.block(lasting);
      },
    );

  const lift = (): Step =>
    step(
      'lift the block',
      ({ blocked }) => blocked,
      async (model, { agent }) => {
        model.blocked = false;
        met.add('opened');
        await agent.lift();
      },
    );

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
      await sweep(database).catch((error: unknown) => expect(error).toBeInstanceOf(DatabaseUnavailable));
    });

  const exchanges = fc
    .tuple(
      fc.constantFrom<Key['kind']>('own', 'own', 'digest', 'broker'),
      aRequest,
      fc.constantFrom(...SCOPES),
      fc.record({ times: fc.constantFrom(1, 1, 3), outdated: fc.constantFrom(false, false, false, true) }),
    )
    .map((asked) => exchange(...asked));
  const votes = fc
    .tuple(
      aRequest,
      aPerson,
      fc.constantFrom('approve' as const, 'approve' as const, 'approve one token' as const, 'deny' as const),
    )
    .map((cast) => vote(...cast));
  const takingBack = fc.oneof(
    fc.tuple(aRequest, fc.constantFrom('operator' as const, 'agent' as const)).map((of) => endGrant(...of)),
    fc.nat({ max: 5 }).map(revokeToken),
    aRequest.map(cancel),
    fc.constantFrom(true, false).map(block),
  );
  const rarely = fc.oneof(
    takingBack,
    fc.tuple(aRequest, aPerson).map((by) => liftDenial(...by)),
    fc.boolean().map(setEnabled),
    fc.constant(true).map(setEnabled),
    fc.constant(0).map(lift),
    fc.constant(0).map(lift),
    fc.constant(0).map(sweepNow),
  );
  const passes = fc.constantFrom(...PASSES).map(pass);
  return { any: [exchanges, exchanges, exchanges, votes, votes, passes, rarely], met };
};

type Repeats = { readonly times: number; readonly outdated: boolean };
