/** What can happen to an agent, in the model and for real, and whether both say the same. */
import type { Outcome } from '../../src/oauth/outcome.ts';
import type { ExpectedAgent } from './expected.ts';
import type { RealAgent } from './real-agent.ts';
import type { RealWorld } from './real-world.ts';
import type { Scope } from './rules.ts';
import type { Expected, Key, Request, Vote } from './states.ts';

/** What the numbered requests and tokens of the model are called. */
export type Names = { readonly ids: string[]; readonly tokens: string[] };
/** The agent as it is. */
export type Real = { readonly agent: RealAgent; names: Names };

/** Of an exchange, or in one word. */
export type Answer = Outcome | string;

export type Action = {
  readonly name: string;
  readonly check: (model: ExpectedAgent) => boolean;
  /** What it must come to; the model is then as the agent is. */
  readonly expect: (model: ExpectedAgent) => Expected | string;
  readonly run: (real: Real) => Promise<Answer>;
  /** What belongs to it, once everything of the same instant is through. */
  readonly after?: (real: Real) => Promise<void>;
};

const isSame = (names: string[], number: number, name: string): boolean => {
  if (number === names.length && !names.includes(name)) names.push(name);
  return names[number] === name;
};

/** Whether an answer is what it had to be; names what is new in it. */
export const isAnswered = ({ ids, tokens }: Names, answer: Answer, expected: Expected | string): boolean => {
  if (typeof expected === 'string' || typeof answer === 'string') return answer === expected;
  if (expected.kind === 'refused')
    return (
      answer.kind === 'refused' &&
      answer.reason === expected.reason &&
      (expected.requests === null || expected.requests.some((number) => ids[number] === answer.requestId))
    );
  if (expected.kind === 'pending')
    return answer.kind === 'pending' && !answer.early && isSame(ids, expected.request, answer.requestId);
  return (
    answer.kind === 'issued' &&
    isSame(ids, expected.request, answer.requestId) &&
    isSame(tokens, expected.token, answer.jti)
  );
};

const always = (): boolean => true;

export const exchange = (
  key: Key['kind'],
  request: number,
  scope: Scope,
  { outdated = false }: { readonly outdated?: boolean } = {},
): Action => {
  const named: Key = key === 'broker' ? { kind: key, request } : { kind: key };
  return {
    name: `exchange by ${key} ${key === 'broker' ? request : ''} for ${scope}${outdated ? ', outdated' : ''}`,
    check: ({ requests }) => key !== 'broker' || request < requests.length,
    expect: (model) => model.exchange(named, scope, outdated),
    run: ({ agent, names }) => agent.exchange({ key: named, scope, ids: names.ids, outdated }),
  };
};

/** Something that happens to a request that exists. */
const toRequest = (
  name: string,
  request: number,
  deed: {
    readonly check: (model: ExpectedAgent, request: Request) => boolean;
    readonly expect: (model: ExpectedAgent, request: Request) => string;
    readonly run: (agent: RealAgent, id: string) => Promise<string>;
  },
): Action => ({
  name: `${name} ${request}`,
  check: (model) => {
    const found = model.requests[request];
    return found !== undefined && deed.check(model, found);
  },
  expect: (model) => deed.expect(model, model.requests[request] as Request),
  run: ({ agent, names }) => deed.run(agent, names.ids[request] ?? ''),
});

export const vote = (
  request: number,
  voter: number,
  verdict: 'approve' | 'deny' | 'approve one token',
): Action => {
  const leaves = verdict === 'approve one token' ? { maxTokens: 1 } : undefined;
  const cast: Vote = { voter, verdict: verdict === 'deny' ? 'deny' : 'approve', leaves };
  return toRequest(`person ${voter} would ${verdict} of`, request, {
    check: (_, { state }) => state !== 'permitted',
    expect: (model, found) => model.vote(found, cast),
    run: (agent, id) => agent.vote(id, cast),
  });
};

export const liftDenial = (request: number, voter: number): Action =>
  toRequest(`person ${voter} lifts the denial of`, request, {
    check: (_, { state }) => state === 'denied',
    expect: (model, found) => model.liftDenial(found),
    run: (agent, id) => agent.liftDenial(id, voter),
  });

export const cancel = (request: number): Action =>
  toRequest('an operator cancels', request, {
    check: (model, found) => model.isWaiting(found),
    expect: (model, found) => model.cancel(found),
    run: (agent, id) => agent.cancel(id),
  });

export const endGrant = (request: number, by: 'operator' | 'agent'): Action =>
  toRequest(`the ${by} ends the grant of`, request, {
    check: (model, found) => model.isLive(found),
    expect: (model, found) => model.endGrant(found, by),
    run: (agent, id) => agent.endGrant(id, by),
  });

export const revokeToken = (number: number): Action => ({
  name: `revoke token ${number}`,
  check: ({ tokens }) => number < tokens.length,
  expect: (model) => model.revokeToken(number),
  run: ({ agent, names }) => agent.revokeToken(names.tokens[number] ?? ''),
});

/** A grant that nobody picked up may have been found so by a sweeper or not: that is not told apart here. */
export const block = (lasting: boolean): Action => {
  const word = lasting ? 'closed' : 'taken back';
  return {
    name: lasting ? 'block' : 'take back all',
    check: (model) => !(model.blocked || model.requests.some((request) => model.isLapsing(request))),
    expect: (model) => {
      model.endAll(lasting);
      return word;
    },
    run: async ({ agent }) => {
      await agent.block(lasting);
      return word;
    },
    after: ({ agent }) => agent.sweepBlock(),
  };
};

export const lift: Action = {
  name: 'lift the block',
  check: ({ blocked }) => blocked,
  expect: (model) => {
    model.blocked = false;
    return 'opened';
  },
  run: async ({ agent }) => {
    await agent.lift();
    return 'opened';
  },
};

export const replacePolicy = (world: RealWorld, strict: boolean): Action => {
  const word = strict ? 'strict policy' : 'usual policy';
  return {
    name: word,
    check: (model) => model.strict !== strict,
    expect: (model) => {
      model.strict = strict;
      return word;
    },
    run: async () => {
      await world.replacePolicy(strict);
      return word;
    },
  };
};

export const pass = (seconds: number): Action => ({
  name: `${seconds} s pass`,
  check: always,
  expect: (model) => {
    model.now += seconds;
    return 'passed';
  },
  run: async ({ agent }) => {
    await agent.pass(seconds);
    return 'passed';
  },
});

export const setEnabled = (enabled: boolean): Action => ({
  name: enabled ? 'enable' : 'disable',
  check: (model) => model.enabled !== enabled,
  expect: (model) => {
    model.enabled = enabled;
    return 'set';
  },
  run: async ({ agent }) => {
    await agent.setEnabled(enabled);
    return 'set';
  },
});
