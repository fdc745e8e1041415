/**
 * What policy grants, over generated rules and all sets of actions: never more than a rule for each action allows,
 * for no longer than any of them, with no fewer people; and the terms that are signed say the same (T69, I4).
 */
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Asked, termsDigest, termsOf } from '../../src/access/request-digest.ts';
import type { Decision, PolicyInput } from '../../src/policy/decision.ts';
import { openPolicyEngine, type PolicyEngine } from '../../src/policy/engine.ts';
import { type Rule, TOKEN_SECONDS_CAPS } from '../../src/policy/rules.ts';
import { ENVIRONMENTS, rulesAbout, SCOPES } from '../support/generated.ts';
import { bundleOf, question } from './bundles.ts';

const AUDIENCE = 'api://generated';
const AGENTS = ['reader', 'writer'] as const;

let engine: PolicyEngine;
beforeAll(() => {
  engine = openPolicyEngine({ logger: pino({ level: 'silent' }) });
});
afterAll(() => engine.close());

/** Every set of actions but the empty one. */
const SETS: readonly (readonly string[])[] = Array.from({ length: 2 ** SCOPES.length - 1 }, (_, index) =>
  SCOPES.filter((_scope, bit) => ((index + 1) >> bit) & 1).sort(),
);

type Case = Pick<PolicyInput, 'scopes' | 'key_bound'> & {
  readonly agent: string;
  readonly environment: (typeof ENVIRONMENTS)[number];
};

const asks = ({ agent, environment, ...rest }: Case): PolicyInput =>
  question({
    agent: { id: agent, environment: null },
    resource: { audience: AUDIENCE, environment, sensitivity: 'low' },
    ...rest,
  });

const decide = (asked: Case): Promise<Decision> => engine.decide(asks(asked));

/** The rules that match an action, worked out from the file as people read it. */
const matching = (rules: readonly Rule[], { agent, environment }: Case, scope: string): Rule[] =>
  rules.filter(
    (rule) =>
      rule.scopes.includes(scope) &&
      (rule.agents === 'any' || rule.agents.includes(agent)) &&
      (rule.environments === undefined || rule.environments.includes(environment)),
  );

const STRICTNESS = ['permit', 'needs_approval', 'deny'] as const;
const strictest = (decisions: readonly Decision['decision'][]): number =>
  Math.max(...decisions.map((decision) => STRICTNESS.indexOf(decision)));

/** Bundles to load are what these tests cost. */
const RUNS = { numRuns: 15 };

/** Generated rules, and every question that there is about them by one agent. */
const overRules = (
  check: (rules: readonly Rule[], asked: Case, decision: Decision) => Promise<void> | void,
) =>
  fc.assert(
    fc.asyncProperty(rulesAbout(AUDIENCE, AGENTS), fc.constantFrom(...AGENTS), async (rules, agent) => {
      await engine.load(await bundleOf({ rules }));
      const cases = ENVIRONMENTS.flatMap((environment) =>
        [true, false].flatMap((key_bound) =>
          SETS.map((scopes) => ({ agent, environment, key_bound, scopes })),
        ),
      );
      const decisions = await Promise.all(cases.map(decide));
      await Promise.all(
        cases.map((asked, index) => {
          const decision = decisions[index];
          if (decision === undefined) throw new Error('no decision');
          return check(rules, asked, decision);
        }),
      );
    }),
    RUNS,
  );

describe('what policy grants', () => {
  it('is within a rule for each action, and against none; nothing where one action has no rule', async () => {
    let granted = 0;
    await overRules((rules, asked, { decision }) => {
      if (asked.scopes.some((scope) => matching(rules, asked, scope).length === 0))
        expect(decision).toBe('deny');
      if (decision === 'deny') return;
      granted += 1;
      for (const scope of asked.scopes) {
        const matched = matching(rules, asked, scope);
        expect(matched.length).toBeGreaterThan(0);
        expect(matched.filter((rule) => rule.decision === 'deny')).toEqual([]);
        if (decision === 'permit') expect(matched.filter((rule) => rule.decision !== 'permit')).toEqual([]);
        if (!asked.key_bound)
          expect(matched.filter((rule) => 'require_key_binding' in rule && rule.require_key_binding)).toEqual(
            [],
          );
      }
    });
    expect(granted).toBeGreaterThan(0);
  });

  it('is never easier, longer or by fewer people together than one by one', async () => {
    await overRules(async (_rules, asked, together) => {
      const alone = await Promise.all(asked.scopes.map((scope) => decide({ ...asked, scopes: [scope] })));
      expect(STRICTNESS.indexOf(together.decision)).toBeGreaterThanOrEqual(
        strictest(alone.map(({ decision }) => decision)),
      );
      if (together.decision === 'deny') return;
      for (const single of alone) {
        expect(together.tokenSeconds).toBeLessThanOrEqual(single.tokenSeconds);
        expect(together.maxTokens ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(
          single.maxTokens ?? Number.POSITIVE_INFINITY,
        );
        if (single.approval === null) continue;
        expect(together.approval?.quorum).toBeGreaterThanOrEqual(single.approval.quorum);
        expect(single.approval.groups).toEqual(
          expect.arrayContaining([...(together.approval?.groups ?? [''])]),
        );
      }
    });
  });

  it('does not depend on the order of the rules', async () => {
    await fc.assert(
      fc.asyncProperty(
        rulesAbout(AUDIENCE, AGENTS).chain((rules) =>
          fc.tuple(fc.constant(rules), fc.shuffledSubarray(rules, { minLength: rules.length })),
        ),
        async ([rules, shuffled]) => {
          const decideAll = async (of: readonly Rule[]) => {
            await engine.load(await bundleOf({ rules: of }));
            return Promise.all(
              SETS.map((scopes) => decide({ agent: 'reader', environment: 'dev', key_bound: true, scopes })),
            );
          };
          expect(await decideAll(shuffled)).toEqual(await decideAll(rules));
        },
      ),
      RUNS,
    );
  });
});

const LIFETIMES = fc.option(fc.integer({ min: 1, max: 10_000 }));

describe('the terms', () => {
  it('are what was asked, for no longer than rules, environment and wish allow', async () => {
    const wishes = fc.sample(LIFETIMES, 50);
    let turn = 0;
    await overRules((rules, asked, decision) => {
      if (decision.decision === 'deny') return;
      const request: Asked = {
        agentId: asked.agent,
        audience: AUDIENCE,
        scopes: asked.scopes,
        authorizationDetails: [{ type: 'limit', amount: 1 }],
        proofKey: null,
      };
      turn += 1;
      const requestedSeconds = wishes[turn % wishes.length] ?? null;
      const terms = termsOf(request, decision, { justification: 'words', requestedSeconds });
      expect(terms.scopes).toEqual(asked.scopes);
      expect(terms.authorization_details).toEqual(request.authorizationDetails);
      const most = [
        TOKEN_SECONDS_CAPS[asked.environment],
        requestedSeconds ?? Number.POSITIVE_INFINITY,
        ...asked.scopes.map((scope) =>
          // Of the rules that match an action, those that ask for approval decide it where there are any.
          Math.min(
            ...deciders(matching(rules, asked, scope)).map((rule) =>
              'token_seconds' in rule ? rule.token_seconds : 0,
            ),
          ),
        ),
      ];
      expect(terms.token_seconds).toBe(Math.min(...most));
      expect(terms.grant_seconds).toBeLessThanOrEqual(requestedSeconds ?? Number.POSITIVE_INFINITY);
      const more = { ...terms, scopes: [...terms.scopes, 'one.more'] };
      expect(termsDigest(more)).not.toBe(termsDigest(terms));
    });
  });
});

const deciders = (matched: readonly Rule[]): readonly Rule[] => {
  const asking = matched.filter(({ decision }) => decision === 'needs_approval');
  return asking.length > 0 ? asking : matched;
};
