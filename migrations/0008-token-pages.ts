/** The tokens of a grant, for its page and its end; and tokens by when they expire, the longest living first. */
import { type Kysely, sql } from 'kysely';

const INDEXES = `
create index tokens_grant on tokens (grant_id, issued_at);
create index tokens_expiry on tokens (expires_at, jti);
-- What was revoked is little among what expired.
create index tokens_revoked on tokens (expires_at, jti) where state = 'REVOKED';
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(INDEXES).execute(db);
};
