/** From the files an administrator edits to a bundle; the Rego in it is taken over compiled, so no compiler is needed. */
import { type BundleContent, writeBundle } from './bundle.ts';
import { casesDocument } from './cases.ts';
import { type PolicySource, PolicySourceInvalid, parsePolicySource } from './policy-source.ts';
import { tableOf } from './rule-table.ts';
import { rulesDocument } from './rules.ts';

/** The module and what it was compiled from: of another bundle, or fresh from the compiler. */
export type CompiledPolicy = Pick<BundleContent, 'wasm' | 'compilation'>;

/**
 * Builds a bundle from rules and the cases they must answer. Throws `PolicySourceInvalid` with the problems of both
 * files. Whether the cases hold is shown when it is loaded.
 */
export const buildBundle = async (
  compiled: CompiledPolicy,
  files: { readonly rules: PolicySource; readonly cases: PolicySource },
): Promise<Uint8Array> => {
  const problems: string[] = [];
  const attempt = <Value>(parse: () => Value): Value | null => {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof PolicySourceInvalid)) throw error;
      problems.push(...error.problems);
      return null;
    }
  };
  const rules = attempt(() => parsePolicySource(files.rules, rulesDocument));
  const cases = attempt(() => parsePolicySource(files.cases, casesDocument));
  if (rules === null || cases === null) throw new PolicySourceInvalid(problems);
  return writeBundle({ ...compiled, table: tableOf(rules.rules), cases });
};
