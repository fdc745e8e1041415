/**
 * Why a question is answered as it is: the answer, and every rule that was looked at with the conditions it did not
 * meet. Asked of the same module that decides, so that an explanation cannot disagree with the decision.
 */
import { z } from 'zod';
import { ENTRYPOINTS, type PolicyBundle } from './bundle.ts';
import type { PolicyInput } from './decision.ts';
import { type Answer, startEvaluation } from './evaluation.ts';
import { checkInput } from './input.ts';
import type { TableRule } from './rule-table.ts';
import { denial, REFUSED_INPUT, readVerdict, type Verdict } from './verdict.ts';

const explained = z.tuple([
  z.object({
    result: z.array(
      z.object({
        scope: z.string(),
        rule: z.string(),
        decision: z.string(),
        unmet: z.array(z.enum(['agent', 'roles', 'environment', 'sensitivity'])),
      }),
    ),
  }),
]);

/** A condition of a rule that did not hold. */
export type UnmetCondition = 'agent' | 'roles' | 'environment' | 'sensitivity';

/** A rule about one of the scopes asked for. */
export type WeighedRule = {
  readonly scope: string;
  readonly rule: TableRule;
  /** Empty if the rule matched. */
  readonly unmet: readonly UnmetCondition[];
};

export type Explanation = { readonly verdict: Verdict; readonly rules: readonly WeighedRule[] };

const resultOf = (answer: Answer | undefined): unknown =>
  answer !== undefined && 'result' in answer ? answer.result : undefined;

/** Evaluates a question and explains the answer. Throws `BundleRefused`, or an Error if the evaluation fails. */
export const explain = async (bundle: PolicyBundle, input: PolicyInput): Promise<Explanation> => {
  const checked = checkInput(input);
  if ('refused' in checked) {
    return {
      verdict: denial(REFUSED_INPUT, 'The request is not of a form to decide on.', checked.refused),
      rules: [],
    };
  }
  const evaluation = await startEvaluation(bundle);
  try {
    const ask = async (entrypoint: (typeof ENTRYPOINTS)[keyof typeof ENTRYPOINTS]): Promise<unknown> => {
      const outcome = await evaluation.evaluate(entrypoint, [checked.canonical]);
      if ('failed' in outcome) throw new Error(`The policy ${outcome.failed}: ${outcome.detail}`);
      return resultOf(outcome.answers[0]);
    };
    const verdict = readVerdict(await ask(ENTRYPOINTS.decision), input, bundle.table);
    const [{ result }] = explained.parse(await ask(ENTRYPOINTS.explanation));
    const weighed = result.flatMap(({ scope, rule: id, unmet }) => {
      const rule = bundle.table.rules[input.resource.audience]?.[scope]?.[id];
      return rule === undefined ? [] : [{ scope, rule, unmet }];
    });
    return { verdict, rules: weighed.sort(inOrder) };
  } finally {
    await evaluation.end();
  }
};

const STRICTNESS = ['deny', 'needs_approval', 'permit'];

/** By scope; rules that matched first, the strictest of them on top. */
const inOrder = (left: WeighedRule, right: WeighedRule): number =>
  (left.scope < right.scope ? -1 : left.scope > right.scope ? 1 : 0) ||
  Math.sign(left.unmet.length) - Math.sign(right.unmet.length) ||
  STRICTNESS.indexOf(left.rule.decision) - STRICTNESS.indexOf(right.rule.decision) ||
  (left.rule.id < right.rule.id ? -1 : 1);
