/** The steps of a sequence: actions, alone, in threes of the same, or two at the same instant. */
import fc, { type AsyncCommand } from 'fast-check';
import { expect } from 'vitest';
import { sweep } from '../../src/access/sweep.ts';
import { ExchangeUnavailable } from '../../src/oauth/token-exchange.ts';
import { DatabaseUnavailable } from '../../src/storage/database.ts';
import {
  type Action,
  type Answer,
  block,
  cancel,
  endGrant,
  exchange,
  isAnswered,
  lift,
  liftDenial,
  pass,
  type Real,
  replacePolicy,
  revokeToken,
  setEnabled,
  vote,
} from './actions.ts';
import type { ExpectedAgent } from './expected.ts';
import type { RealWorld } from './real-world.ts';
import { PASSES, SCOPES } from './rules.ts';
import type { Key } from './states.ts';

type Step = AsyncCommand<ExpectedAgent, Real>;

export type Steps = {
  readonly any: fc.Arbitrary<Step>[];
  /** What was answered, of exchanges and of everything else. */
  readonly met: ReadonlySet<string>;
};

/** Nothing was done: the database was busy with the other action, or what was given was being taken back. */
const NOT_DONE = 'not done';

const unlessNotDone = (error: unknown): Answer => {
  if (error instanceof DatabaseUnavailable || error instanceof ExchangeUnavailable) return NOT_DONE;
  throw error;
};

const PEOPLE_MAX = 2;
const aPerson = fc.nat({ max: PEOPLE_MAX });
const aRequest = fc.nat({ max: 3 });

/** `withPolicy`: policy is replaced too, for everybody in this world: its sequences must come one after the other. */
export const openSteps = (world: RealWorld, { withPolicy = false } = {}): Steps => {
  const met = new Set<string>();

  /** Whether the answers are those of one action after the other; then model and names are as after them. */
  const cameSo = (
    model: ExpectedAgent,
    real: Real,
    order: readonly { readonly action: Action; readonly answer: Answer }[],
  ): boolean => {
    const twin = model.copy();
    const names = { ids: [...real.names.ids], tokens: [...real.names.tokens] };
    const words: string[] = [];
    for (const { action, answer } of order) {
      if (answer === NOT_DONE) continue;
      const expected = action.expect(twin);
      if (!isAnswered(names, answer, expected)) return false;
      words.push(
        typeof expected === 'string'
          ? expected
          : expected.kind === 'refused'
            ? expected.reason
            : expected.kind,
      );
    }
    model.become(twin);
    real.names = names;
    for (const word of words) met.add(word);
    return true;
  };

  /** Actions at the same instant: whatever they come to, it is what they come to one after the other. */
  const step = (actions: readonly [Action, ...Action[]], mayFail = false): Step => ({
    check: (model: ExpectedAgent) => actions.every(({ check }) => check(model)),
    run: async (model, real) => {
      const answers = actions.map((action) =>
        mayFail ? action.run(real).catch(unlessNotDone) : action.run(real),
      );
      const order = (await Promise.all(answers)).map((answer, index) => ({
        action: actions[index] as Action,
        answer,
      }));
      for (const { after } of actions) await after?.(real);
      if (!cameSo(model, real, order) && !cameSo(model, real, order.toReversed()))
        expect.fail(`${JSON.stringify(order.map(({ action, answer }) => [action.name, answer]))}`);
    },
    toString: () => actions.map(({ name }) => name).join(' while '),
  });
  const alone = (action: Action): Step => step([action]);

  /** Changes nothing that anybody can see at /token. One that met a lock is only late, as everywhere. */
  const sweepNow: Step = {
    check: () => true,
    run: async () => {
      await sweep(world.database).catch(unlessNotDone);
    },
    toString: () => 'sweep',
  };

  const exchanges = fc
    .tuple(
      fc.constantFrom<Key['kind']>('own', 'own', 'digest', 'broker'),
      aRequest,
      fc.constantFrom(...SCOPES),
      fc.record({ outdated: fc.constantFrom(false, false, false, true) }),
    )
    .map((asked) => exchange(...asked));
  const repeats = fc
    .tuple(exchanges, fc.constantFrom(1, 1, 3))
    .map(([asked, times]) => step([asked, ...Array<Action>(times - 1).fill(asked)]));
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
  );
  const blocks = fc.constantFrom(true, false).map(block);
  const replacing = fc.boolean().map((strict) => replacePolicy(world, strict));
  const acts = fc.oneof(exchanges, votes);
  const races = fc.oneof(
    fc.tuple(acts, acts).map((both) => step(both)),
    fc.tuple(acts, takingBack).map((both) => step(both)),
    fc.tuple(acts, blocks).map((both) => step(both, true)),
    ...(withPolicy ? [fc.tuple(acts, replacing).map((both) => step(both))] : []),
  );
  const rarely = fc.oneof(
    fc.oneof(takingBack, takingBack, takingBack, blocks).map(alone),
    fc.tuple(aRequest, aPerson).map((by) => alone(liftDenial(...by))),
    fc.tuple(aRequest, aPerson).map((by) => alone(liftDenial(...by))),
    fc.boolean().map((enabled) => alone(setEnabled(enabled))),
    fc.constant(alone(setEnabled(true))),
    fc.constant(alone(lift)),
    fc.constant(alone(lift)),
    fc.constant(sweepNow),
    races,
    ...(withPolicy ? [replacing.map(alone), replacing.map(alone)] : []),
  );
  const passes = fc.constantFrom(...PASSES).map((seconds) => alone(pass(seconds)));
  return { any: [repeats, repeats, repeats, votes.map(alone), votes.map(alone), passes, rarely], met };
};
