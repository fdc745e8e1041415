/** The registry of a test world with something changed, put in force as `apply` does it. */
import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { applyRegistry } from '../../src/registry/apply.ts';
import { parseRegistry } from '../../src/registry/registry-file.ts';
import type { AgentEntry, RegistryDocument } from '../../src/registry/registry-schema.ts';
import type { TestWorld } from './broker.ts';

/** Applies the world's own registry file as `change` leaves it. */
export const changeRegistry = async (
  world: TestWorld,
  change: (registry: RegistryDocument) => RegistryDocument,
): Promise<void> => {
  const [file = ''] = (world.settings.COUNTERSIGN_REGISTRY ?? '').split(',');
  const registry = change(parse(await readFile(file, 'utf8')));
  const document = parseRegistry([{ name: 'registry.yaml', text: stringify(registry) }]);
  await applyRegistry(world.database, document, { reason: 'a test changes it', appliedBy: 'test' });
};

/** Changes the entry of one agent. */
export const changeAgent = (world: TestWorld, agent: string, change: Partial<AgentEntry>): Promise<void> =>
  changeRegistry(world, (registry) => ({
    ...registry,
    agents: registry.agents.map((entry) => (entry.id === agent ? { ...entry, ...change } : entry)),
  }));
