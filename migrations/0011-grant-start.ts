/** When a grant begins, if an approver gave it a start; none: with the approval. */
import { type Kysely, sql } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`alter table grants add column starts_at timestamptz`.execute(db);
};
