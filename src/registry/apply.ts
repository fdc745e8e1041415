/**
 * Putting a registry in force: one transaction, in this order.
 *   1. `in_force` is locked, so revisions are numbered one after the other;
 *   2. the agents that the change bears on are locked FOR UPDATE. Issuing holds FOR KEY SHARE on its agent's row, so
 *      this waits for what is being issued, and what comes later reads the row as it is left here;
 *   3. the revision, the rows and the events are written, and `in_force` moves. Nothing of it is seen before commit.
 * An agent's row carries the last revision that bears on it, by its own entry or by that of an API it may ask for:
 * issuing demands that this is no newer than the revision it was decided on.
 */
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import { digestOf } from '../canonical-json.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import { type ChangeNote, changeInForce } from './in-force.ts';
import { loadStored, type StoredRegistry } from './load-registry.ts';
import { findLostAccess, type LostAccess } from './lost-access.ts';
import { checkKept, diffRegistry, type RegistryChange, type RegistryDiff } from './registry-diff.ts';
import { RegistryInvalid } from './registry-file.ts';
import type { AgentEntry, RegistryDocument } from './registry-schema.ts';

export type AppliedRegistry = {
  /** The revision in force afterwards; of a dry run the one that is in force still. */
  readonly revision: number;
  /** Whether a new revision was written. */
  readonly applied: boolean;
  readonly changes: readonly RegistryChange[];
  readonly unchanged: number;
  /** Of a dry run: what agents that are at work would lose. */
  readonly lost?: readonly LostAccess[];
};

/** Events per statement. */
const EVENTS_PER_STATEMENT = 500;

type Plan = RegistryDiff & { readonly revision: number };

const planFrom = ({ revision, document }: StoredRegistry, next: RegistryDocument): Plan => {
  const diff = diffRegistry(document, next);
  const problems = checkKept(next, diff.effective);
  if (problems.length > 0) throw new RegistryInvalid(problems);
  return { ...diff, revision };
};

/** Agents whose own entry changes, and those that may ask for a resource whose entry changes. */
const concernedAgents = ({ changes, effective }: Plan): AgentEntry[] => {
  const changed = new Set(changes.map(({ entry, id }) => `${entry} ${id}`));
  return effective.agents.filter(
    ({ id, access }) =>
      changed.has(`agent ${id}`) || access.some(({ audience }) => changed.has(`resource ${audience}`)),
  );
};

const writeAgents = async (transaction: Kysely<Tables>, plan: Plan, revision: number): Promise<void> => {
  const agents = concernedAgents(plan);
  const ids = agents.map(({ id }) => id);
  await sql`select from agents where id = any(${ids}::text[]) order by id for update`.execute(transaction);
  // Workloads are freed first: two agents may have changed places.
  const moved = plan.changes
    .filter(({ entry, fields }) => entry === 'agent' && fields.some(({ field }) => field === 'workload'))
    .map(({ id }) => id);
  await sql`update agents set object_id = gen_random_uuid() where id = any(${moved}::text[])`.execute(
    transaction,
  );
  await sql`
    insert into agents (id, tenant_id, object_id, application_id, enabled, definition, revision)
    select entry ->> 'id', (entry -> 'workload' ->> 'tenant')::uuid, (entry -> 'workload' ->> 'object')::uuid,
      (entry -> 'workload' ->> 'application')::uuid, (entry ->> 'enabled')::boolean, entry, ${revision}::bigint
    from jsonb_array_elements(${JSON.stringify(agents)}::jsonb) entry
    on conflict (id) do update set tenant_id = excluded.tenant_id, object_id = excluded.object_id,
      application_id = excluded.application_id, enabled = excluded.enabled, definition = excluded.definition,
      revision = excluded.revision`.execute(transaction);
};

const writeResources = async (transaction: Kysely<Tables>, plan: Plan, revision: number): Promise<void> => {
  const changed = new Set(plan.changes.filter(({ entry }) => entry === 'resource').map(({ id }) => id));
  const resources = plan.effective.resources.filter(({ audience }) => changed.has(audience));
  await sql`
    insert into resources (audience, enabled, definition, revision)
    select entry ->> 'audience', (entry ->> 'enabled')::boolean, entry, ${revision}::bigint
    from jsonb_array_elements(${JSON.stringify(resources)}::jsonb) entry
    on conflict (audience) do update set enabled = excluded.enabled, definition = excluded.definition,
      revision = excluded.revision`.execute(transaction);
};

const tell = async (
  transaction: Kysely<Tables>,
  changes: readonly RegistryChange[],
  facts: ChangeNote & { readonly revision: number; readonly digest: string },
): Promise<void> => {
  const events = changes.map((change) => ({
    name: 'registry.changed' as const,
    agentId: change.entry === 'agent' ? change.id : null,
    data: {
      registry_revision: facts.revision,
      registry_digest: facts.digest,
      entry: change.entry,
      id: change.id,
      change: change.change,
      missing: change.missing,
      fields: change.fields,
      reason: facts.reason,
      applied_by: facts.appliedBy,
    },
  }));
  for (let start = 0; start < events.length; start += EVENTS_PER_STATEMENT)
    await appendEvents(transaction, events.slice(start, start + EVENTS_PER_STATEMENT));
};

const putInForce = async (
  transaction: Kysely<Tables>,
  plan: Plan,
  note: ChangeNote,
): Promise<AppliedRegistry> => {
  const { changes, unchanged, effective } = plan;
  if (changes.length === 0) return { revision: plan.revision, applied: false, changes, unchanged };
  const revision = plan.revision + 1;
  const digest = digestOf(effective);
  await transaction
    .insertInto('registry_revisions')
    .values({
      revision,
      applied_by: note.appliedBy,
      reason: note.reason,
      digest,
      document: JSON.stringify(effective),
    })
    .execute();
  await writeAgents(transaction, plan, revision);
  await writeResources(transaction, plan, revision);
  await tell(transaction, changes, { ...note, revision, digest });
  await transaction.updateTable('in_force').set({ registry_revision: revision }).execute();
  return { revision, applied: true, changes, unchanged };
};

/**
 * Puts a document in force, whole: a numbered revision, one `registry.changed` event per change. What it no longer
 * names is disabled and stays. The same content again writes nothing; a dry run never does.
 * Throws `RegistryInvalid` if the document contradicts what stays registered.
 */
export const applyRegistry = async (
  database: Database,
  next: RegistryDocument,
  { dryRun = false, ...note }: ChangeNote & { readonly dryRun?: boolean },
): Promise<AppliedRegistry> => {
  if (dryRun) {
    const stored = await loadStored(database.db);
    const { revision, changes, unchanged, effective } = planFrom(stored, next);
    const lost = await findLostAccess(database, { current: stored.document, next: effective });
    return { revision, applied: false, changes, unchanged, lost };
  }
  return changeInForce(database, async (transaction) =>
    putInForce(transaction, planFrom(await loadStored(transaction), next), note),
  );
};

/** The same, but only where no registry was ever applied; null: there is one, nothing was changed. */
export const applyIfEmpty = (
  database: Database,
  next: RegistryDocument,
  note: ChangeNote,
): Promise<AppliedRegistry | null> =>
  changeInForce(database, async (transaction) => {
    const stored = await loadStored(transaction);
    return stored.revision === 0 ? putInForce(transaction, planFrom(stored, next), note) : null;
  });
