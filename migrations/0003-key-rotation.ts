/** Signing keys that follow one another: each signs from a time that was told before, and is erased when it is over. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
-- A key signs from "active_from" until the next one of its kind does. Keys that stand here signed from their creation.
alter table signing_keys add column active_from timestamptz not null default now();
update signing_keys set active_from = created_at;
-- The private half is erased when nothing that it signed can still be valid.
alter table signing_keys alter column private_key_encrypted drop not null;
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(CHANGES).execute(db);
};
