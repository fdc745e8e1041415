/**
 * What an exchange was decided on, looked at once more when its statement has waited for every row. A statement sees all
 * of its tables as they were when it began, but for the rows that it locks; each statement of a volatile function sees
 * them as they are by then. Locking the one row of `in_force` instead would leave changes of it no gap to get in.
 *
 * Nothing reads the revision of a block; versions before this one write it still.
 */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
create function demand_in_force(registry bigint, policy text, blocks bigint) returns boolean
language plpgsql volatile as $$
begin
  perform from in_force f where f.registry_revision = registry and f.policy_revision = policy
    and f.blocks_revision = blocks;
  if not found then
    raise exception 'the revisions that this was decided on are no longer in force' using errcode = 'CS001';
  end if;
  return true;
end $$;
alter table blocks alter column revision drop not null;
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(CHANGES).execute(db);
};
