/** What a bundle must show before it is put in force: that nothing is denied, and that its own cases hold. */
import { ENTRYPOINTS, type PolicyBundle } from './bundle.ts';
import { differences, inputOf } from './cases.ts';
import { demandCases } from './demand-case.ts';
import { type Evaluation, startEvaluation } from './evaluation.ts';
import { checkInput } from './input.ts';
import { failedVerdict, MALFORMED_RESULT, readVerdict } from './verdict.ts';

/** Cases asked in one batch. */
const BATCH = 64;

/** A question that says nothing; whoever permits it permits by omission. */
const NOTHING = '{}';

const chunked = <Item>(items: readonly Item[]): Item[][] =>
  Array.from({ length: Math.ceil(items.length / BATCH) }, (_, index) =>
    items.slice(index * BATCH, (index + 1) * BATCH),
  );

/** What is asked of an answer to `NOTHING` is about nothing. */
const ABOUT_NOTHING = { resource: { audience: '', environment: 'prod' }, scopes: [] } as const;

/** Runs the cases, and those that show that the module knows its rules' demands; returns what is wrong, a line each, empty if nothing is. */
export const selfTest = async (
  evaluation: Evaluation,
  { cases, table }: Pick<PolicyBundle, 'cases' | 'table'>,
): Promise<string[]> => {
  const asked = [
    { name: 'a question that says nothing is denied', input: NOTHING, example: null },
    ...[...demandCases(table), ...cases].map((example) => {
      const checked = checkInput(inputOf(example));
      return { name: example.name, input: 'canonical' in checked ? checked.canonical : NOTHING, example };
    }),
  ];
  const wrong: string[] = [];
  for (const batch of chunked(asked)) {
    const outcome = await evaluation.evaluate(
      ENTRYPOINTS.decision,
      batch.map(({ input }) => input),
    );
    if ('failed' in outcome) return [...wrong, `policy ${outcome.failed}: ${outcome.detail}`];
    for (const [index, { name, example }] of batch.entries()) {
      const answer = outcome.answers[index];
      const verdict =
        answer !== undefined && 'failed' in answer
          ? failedVerdict(answer.failed)
          : readVerdict(answer?.result, example ?? ABOUT_NOTHING, table);
      if (verdict.rule === MALFORMED_RESULT) wrong.push(`${name}: ${verdict.internalReason}`);
      else if (example !== null)
        wrong.push(...differences(example, verdict).map((line) => `${name}: ${line}`));
      else if (verdict.decision !== 'deny') wrong.push(`${name}: it is not`);
    }
  }
  return wrong;
};

/** Starts a bundle's module and runs its cases. Returns what is wrong; throws `BundleRefused` if it may not run. */
export const testBundle = async (bundle: PolicyBundle): Promise<string[]> => {
  const evaluation = await startEvaluation(bundle);
  try {
    return await selfTest(evaluation, bundle);
  } finally {
    await evaluation.end();
  }
};
