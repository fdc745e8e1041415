/** Proofs of possession that were used (RFC 9449 section 11.1): what makes each good once, whichever replica sees it. */
import { type Kysely, sql } from 'kysely';

const TABLES = `
-- "digest" names a proof by its key and its jti; the primary key's own name is what a replay is known by.
create table used_proofs (
  digest text constraint used_proofs_once primary key,
  used_at timestamptz not null default now()
);
create index used_proofs_age on used_proofs (used_at);
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(TABLES).execute(db);
};
