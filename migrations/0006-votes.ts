/** What approvals keep beyond a count: whose groups they were, on which terms, and how the voter had signed in. */
import { type Kysely, sql } from 'kysely';

const TABLES = `
-- A person votes once on the same terms. Narrower terms are others; votes on a request's present terms alone count.
alter table votes drop constraint votes_pkey;
alter table votes add constraint votes_once primary key (request_id, approver_tenant, approver_object, terms_digest);
-- All groups of the terms that the person is in; null: an earlier version kept one, "approver_group".
alter table votes add column approver_groups text[];

-- A list of groups for each person who approved; null: the grant was opened by policy or by an earlier version.
alter table grants add column approvers jsonb;

-- When the person last proved to Entra who they are, and what that satisfied; null: Entra did not say.
alter table console_sessions add column authenticated_at timestamptz;
alter table console_sessions add column authentication_contexts text[] not null default '{}';

-- Terms that a request had before an approver narrowed them: what an open page still shows.
create table past_terms (
  request_id text not null references access_requests,
  terms_digest text not null,
  terms jsonb not null,
  narrowed_at timestamptz not null default now(),
  primary key (request_id, terms_digest)
);
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(TABLES).execute(db);
};
