/** Which request an assertion opened last, for tenants that let it open one at a time (RFC 7523 section 3, `jti`). */
import { type Kysely, sql } from 'kysely';

const TABLES = `
-- "assertion_id" is Entra's uti. "expires_at": of the assertion; after it the row means nothing.
create table opened_assertions (
  tenant_id uuid not null,
  assertion_id text not null,
  request_id text not null,
  expires_at timestamptz not null,
  primary key (tenant_id, assertion_id)
);
create index opened_assertions_age on opened_assertions (expires_at);
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(TABLES).execute(db);
};
