/**
 * Keys that are withdrawn before their time: APIs are told of the key, in one line however much it signed. And what was
 * taken back is looked up by what it is of, which after a mass revocation is one among very many lines.
 */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
-- Null: it never was; one that is over is erased as well.
alter table signing_keys add column withdrawn_at timestamptz;
-- Of a key: the last second whose tokens of that key are refused.
alter table revocations drop constraint revocations_kind_check;
alter table revocations add constraint revocations_kind_check
  check (kind in ('token', 'key', 'agent', 'audience', 'environment', 'global'));
create index revocations_subject on revocations (kind, subject);
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(CHANGES).execute(db);
};
