/**
 * What the application role may do, table by table, and nothing else: it owns nothing, cannot change or delete an
 * event, nor give itself the power to. The owner role, which can, is used by migrations alone.
 */
import { type Kysely, sql } from 'kysely';
import type { Tables } from './tables.ts';

/** `update` also where rows are locked: `select ... for` demands it. */
const PRIVILEGES: Readonly<Record<keyof Tables, string>> = {
  registry_revisions: 'select, insert',
  policy_revisions: 'select, insert',
  in_force: 'select, update',
  agents: 'select, insert, update',
  resources: 'select, insert, update',
  access_requests: 'select, insert, update',
  request_keys: 'select, insert, update',
  votes: 'select, insert',
  past_terms: 'select, insert',
  denials: 'select, insert, update',
  grants: 'select, insert, update',
  tokens: 'select, insert, update',
  revocation_head: 'select, update',
  revocations: 'select, insert, delete',
  blocks: 'select, insert, update',
  used_proofs: 'select, insert, delete',
  opened_assertions: 'select, insert, update, delete',
  token_uses: 'select, insert',
  audit_events: 'select, insert',
  people: 'select, insert, update',
  signing_keys: 'select, insert, update (private_key_encrypted, withdrawn_at)',
  sign_ins: 'select, insert, delete',
  console_sessions: 'select, insert, update, delete',
};

/** Sets exactly these privileges, as the owner and within the transaction `db` is. */
export const grantPrivileges = async (db: Kysely<Tables>, applicationRole: string): Promise<void> => {
  const role = sql.id(applicationRole);
  await sql`revoke create on schema public from public`.execute(db);
  await sql`grant usage on schema public to ${role}`.execute(db);
  await sql`revoke all on all tables in schema public from ${role}`.execute(db);
  await sql`revoke all on all sequences in schema public from ${role}`.execute(db);
  await sql`grant select on kysely_migration to ${role}`.execute(db);
  await sql`grant execute on function demand_in_force to ${role}`.execute(db);
  for (const [table, privileges] of Object.entries(PRIVILEGES)) {
    await sql`grant ${sql.raw(privileges)} on ${sql.table(table)} to ${role}`.execute(db);
  }
};

type Powers = { owns: boolean; changes: boolean; creates: boolean };

const WEAKNESSES: Readonly<Record<keyof Powers, string>> = {
  owns: 'the database role of the broker owns the audit events or can act as their owner',
  changes: 'the database role of the broker may change, delete or truncate audit events',
  creates: 'the database role of the broker may create objects in the schema public',
};

/**
 * What the role of `db` can do that an application role should not, a sentence each; empty when the roles are apart.
 * Nothing here stops the broker: a database with one role is a choice, but one that must be seen.
 */
export const findWeaknesses = async (db: Kysely<Tables>): Promise<string[]> => {
  const { rows } = await sql<Powers>`
    select pg_has_role(current_user, relowner, 'member') as owns,
      has_table_privilege(current_user, oid, 'update, delete, truncate, trigger')
        or has_any_column_privilege(current_user, oid, 'update') as changes,
      has_schema_privilege(current_user, relnamespace, 'create') as creates
    from pg_class where oid = 'audit_events'::regclass`.execute(db);
  const powers = rows[0];
  if (powers === undefined) throw new Error('there is no table audit_events');
  return (['owns', 'changes', 'creates'] as const)
    .filter((power) => powers[power])
    .map(
      (power) =>
        `${WEAKNESSES[power]}: give COUNTERSIGN_DATABASE a role that owns nothing and run "countersign migrate" with COUNTERSIGN_DATABASE_OWNER`,
    );
};
