/** Decided requests are looked for by who decided them: the votes of a person, the newest first. */
import { type Kysely, sql } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`create index votes_approver on votes (approver_object, voted_at desc, request_id)`.execute(db);
};
