/** The registry of a test world with something changed, put in force as `apply` does it. */
import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { applyRegistry } from '../../src/registry/apply.ts';
import { parseRegistry } from '../../src/registry/registry-file.ts';
import type { AgentEntry } from '../../src/registry/registry-schema.ts';
import type { TestWorld } from './broker.ts';

/** Changes the entry of one agent. */
export const changeAgent = async (
  world: TestWorld,
  agent: string,
  change: Partial<AgentEntry>,
): Promise<void> => {
  const [file = ''] = (world.settings.COUNTERSIGN_REGISTRY ?? '').split(',');
  const registry = parse(await readFile(file, 'utf8'));
  for (const entry of registry.agents) if (entry.id === agent) Object.assign(entry, change);
  const document = parseRegistry([{ name: 'registry.yaml', text: stringify(registry) }]);
  await applyRegistry(world.database, document, { reason: 'a test changes it', appliedBy: 'test' });
};
