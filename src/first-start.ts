/** What a database begins with. Files reach an empty one only: a restart never brings back what was changed since. */
import { readFile } from 'node:fs/promises';
import type { Config } from './config.ts';
import type { PolicyEngine } from './policy/engine.ts';
import { applyIfEmpty } from './registry/apply.ts';
import { activateIfNone } from './registry/policy-revisions.ts';
import { readRegistry } from './registry/registry-file.ts';
import type { Database } from './storage/database.ts';

/** Applies the registry's files and puts the policy in force, each where there is none yet. */
export const fillEmptyDatabase = async (
  config: Config,
  database: Database,
  policy: PolicyEngine,
): Promise<void> => {
  const note = { reason: 'first start on an empty database', appliedBy: 'serve' };
  if (config.registryFiles.length > 0)
    await applyIfEmpty(database, await readRegistry(config.registryFiles), note);
  if (config.policyFile === null) return;
  const bundle = await readFile(config.policyFile).catch((cause: unknown) => {
    throw new Error(`COUNTERSIGN_POLICY: cannot read ${config.policyFile}`, { cause });
  });
  const revision = await policy.load(bundle);
  await activateIfNone(database, bundle, revision, note);
};
