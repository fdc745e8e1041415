/** Names of people, which live apart from the trail so that they can be erased from it. */
import { sql } from 'kysely';
import type { Principal } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';

/** The name of whoever signed in once; null for anybody else, and for whoever's name was erased. */
export type Names = (principal: Principal) => string | null;

type NameRow = Principal & { readonly name: string };

const keyOf = ({ tenant, object }: Principal): string => `${tenant}/${object}`.toLowerCase();

/** Reads the names of these people in one query. */
export const namesOf = async (database: Database, principals: readonly Principal[]): Promise<Names> => {
  const { rows } =
    principals.length === 0
      ? { rows: [] }
      : await sql<NameRow>`
          select p.tenant_id as tenant, p.object_id as object, p.name
          from unnest(${principals.map(({ tenant }) => tenant)}::uuid[],
            ${principals.map(({ object }) => object)}::uuid[]) as asked (tenant_id, object_id)
          join people p using (tenant_id, object_id)`.execute(database.pages);
  const names = new Map(rows.map((row) => [keyOf(row), row.name]));
  return (principal) => names.get(keyOf(principal)) ?? null;
};

const GUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const PERSON = new RegExp(`^(${GUID})/(${GUID})$`, 'i');

/** The person of `TENANT/OBJECT`, as whoever took something back is recorded; null for a command, an agent, a claim. */
export const personOf = (by: string): Principal | null => {
  const [, tenant, object] = PERSON.exec(by) ?? [];
  return tenant === undefined || object === undefined ? null : { tenant, object };
};
