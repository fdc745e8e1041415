/** The cases that `opa test` runs on the Rego, on the compiled module that decides. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { ENTRYPOINTS, type PolicyBundle, readBundle } from '../../src/policy/bundle.ts';
import { inputOf } from '../../src/policy/cases.ts';
import { type Evaluation, startEvaluation } from '../../src/policy/evaluation.ts';
import { policyFile, shippedBundle } from './bundles.ts';

const fields = z.record(z.string(), z.unknown());
type Fields = z.infer<typeof fields>;

const { semantics } = z
  .strictObject({
    semantics: z.strictObject({
      rule: fields,
      approval: fields,
      audience: z.string(),
      question: fields,
      cases: z.array(
        z.strictObject({
          name: z.string(),
          rules: z.record(z.string(), z.array(fields)),
          question: fields.optional(),
          whole_question: fields.optional(),
          expect: fields,
        }),
      ),
    }),
  })
  .parse(parse(policyFile('semantics.yaml').toString()));

const isObject = (value: unknown): value is Fields =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** OPA's `object.union`: members of the right win, objects in both are merged. */
const union = (left: Fields, right: Fields): Fields => ({
  ...left,
  ...Object.fromEntries(
    Object.entries(right).map(([name, value]) => {
      const before = left[name];
      return [name, isObject(before) && isObject(value) ? union(before, value) : value];
    }),
  ),
});

const completed = (given: Fields): Fields => {
  const { approval = null } = given;
  return {
    ...semantics.rule,
    ...given,
    approval: isObject(approval) ? union(semantics.approval, approval) : approval,
  };
};

const scopesOf = (rules: Record<string, Fields[]>): object =>
  Object.fromEntries(
    Object.entries(rules).map(([scope, given]) => [
      scope,
      Object.fromEntries(given.map(completed).map((rule) => [rule.id, rule])),
    ]),
  );

// Every case has its rules under an audience of its own, so that one thread serves them all.
const cases = semantics.cases.map((example, index) => {
  const audience = `${semantics.audience}#${index}`;
  const asked = example.whole_question ?? union(semantics.question, example.question ?? {});
  return {
    ...example,
    audience,
    input: isObject(asked.resource) ? { ...asked, resource: { ...asked.resource, audience } } : asked,
  };
});

const startWith = (bundle: PolicyBundle, data: object): Promise<Evaluation> =>
  startEvaluation({ ...bundle, data: Buffer.from(JSON.stringify(data)) });

const answerOf = (evaluation: Evaluation, input: unknown): Promise<unknown> =>
  evaluation.evaluate(ENTRYPOINTS.decision, [JSON.stringify(input)]);

describe('the compiled policy', async () => {
  const bundle = await readBundle(shippedBundle());
  let evaluation: Evaluation;
  beforeAll(async () => {
    const rules = Object.fromEntries(cases.map((example) => [example.audience, scopesOf(example.rules)]));
    evaluation = await startWith(bundle, { rules });
  });
  afterAll(() => evaluation.end());

  it.each(cases)('decides as the Rego does: $name', async ({ input, expect: expected }) => {
    expect(await answerOf(evaluation, input)).toMatchObject({
      answers: [{ result: [{ result: expected }] }],
    });
  });

  it('denies whatever it is asked when it has no data at all', async () => {
    const empty = await startWith(bundle, {});
    onTestFinished(() => empty.end());
    expect(await answerOf(empty, semantics.question)).toMatchObject({
      answers: [{ result: [{ result: { decision: 'deny', rule: 'default' } }] }],
    });
  });

  it('was compiled from the Rego beside it', () => {
    const sources = readdirSync(new URL('../../policies', import.meta.url))
      .filter((name) => name.endsWith('.rego') && !name.endsWith('_test.rego'))
      .sort();
    const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
    const listing = sources.map((name) => `${sha256(policyFile(name))}  ${name}\n`).join('');
    expect(bundle.compilation.rego).toBe(sha256(listing));
  });
});

describe('the visible rules', async () => {
  const bundle = await readBundle(shippedBundle());
  let evaluation: Evaluation;
  beforeAll(async () => {
    evaluation = await startEvaluation(bundle);
  });
  afterAll(() => evaluation.end());

  it.each(bundle.cases)('hold on the case: $name', async (example) => {
    // What is asked of approvers beyond groups and quorum is read from the matched rules, not by the module.
    const {
      groups,
      quorum,
      required_groups: _required,
      deny_quorum: _denials,
      sign_in_max_age_seconds: _signIn,
      authentication_contexts: _contexts,
      ...expected
    } = example.expect;
    const approval =
      groups || quorum ? { approval: { ...(groups && { groups }), ...(quorum && { quorum }) } } : {};
    expect(await answerOf(evaluation, inputOf(example))).toMatchObject({
      answers: [{ result: [{ result: { ...expected, ...approval } }] }],
    });
  });
});
