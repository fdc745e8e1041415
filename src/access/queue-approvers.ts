/** Whom a typed name means among the people who decide: by what sign-in last told of them, and by the registry. */
import { sql } from 'kysely';
import type { Principal, Registry } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Accounts whose name or account name has `typed` in it, or whose Entra object it is (all that is left of whoever's name
 * was erased), each with the other accounts that the registry lists of the same person.
 */
export const findApprovers = async (
  database: Database,
  typed: string,
  registry: Registry,
): Promise<readonly Principal[]> => {
  const object = GUID.test(typed) ? typed : null;
  const { rows } = await sql<Principal>`
    select tenant_id as tenant, object_id as object from people
    where position(lower(${typed}) in lower(name)) > 0 or position(lower(${typed}) in lower(username)) > 0
    union
    (select approver_tenant, approver_object from votes where approver_object = ${object}::uuid limit 1)`.execute(
    database.pages,
  );
  return rows.flatMap((account) => registry.accountsOf(account));
};
