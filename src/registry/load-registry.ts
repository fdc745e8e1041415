import type { Kysely } from 'kysely';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import { buildRegistry } from './build-registry.ts';
import type { Registry } from './registry.ts';
import { type RegistryDocument, registryDocument } from './registry-schema.ts';

/** One revision as stored: with every entry there ever was, those that are gone disabled. */
export type StoredRegistry = { readonly revision: number; readonly document: RegistryDocument };

/** The revision in force, read in one statement; revision 0, empty, if none was ever applied. */
export const loadStored = async (db: Kysely<Tables>): Promise<StoredRegistry> => {
  const row = await db
    .selectFrom('in_force')
    .leftJoin('registry_revisions', 'registry_revisions.revision', 'in_force.registry_revision')
    .select(['in_force.registry_revision', 'registry_revisions.document'])
    .executeTakeFirstOrThrow();
  if (row.registry_revision === 0)
    return { revision: 0, document: { version: 1, agents: [], resources: [] } };
  return { revision: row.registry_revision, document: registryDocument.parse(row.document) };
};

/** The registry in force, as a snapshot. Throws if the database cannot be read or holds what the schema refuses. */
export const loadRegistry = async (database: Database): Promise<Registry> => {
  const { revision, document } = await loadStored(database.db);
  return buildRegistry(revision, document);
};
