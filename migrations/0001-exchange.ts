/**
 * Everything one exchange needs: registry, policy, requests, votes, grants, tokens, events, keys, console.
 * All times are the database's. States are written by `src/access` and `src/tokens` alone.
 */
import { type Kysely, sql } from 'kysely';

const TABLES = `
create table registry_revisions (
  revision bigint primary key check (revision > 0),
  applied_at timestamptz not null default now(),
  applied_by text not null,
  reason text not null,
  digest text not null,
  document jsonb not null
);

create table policy_revisions (
  revision text primary key,
  bundle bytea not null,
  stored_at timestamptz not null default now()
);

-- What is in force, one row: an exchange decided on other revisions than these commits nothing.
create table in_force (
  singleton boolean primary key default true check (singleton),
  registry_revision bigint not null default 0,
  policy_revision text references policy_revisions
);
insert into in_force default values;

create table agents (
  id text primary key,
  tenant_id uuid not null,
  object_id uuid not null,
  application_id uuid not null,
  enabled boolean not null,
  definition jsonb not null,
  revision bigint not null references registry_revisions
);
create unique index agents_workload on agents (tenant_id, object_id);

create table resources (
  audience text primary key,
  enabled boolean not null,
  definition jsonb not null,
  revision bigint not null references registry_revisions
);

create table access_requests (
  id text primary key,
  agent_id text not null references agents,
  audience text not null,
  scopes text[] not null,
  authorization_details jsonb not null,
  proof_key text,
  request_digest text not null,
  justification text,
  requested_seconds integer check (requested_seconds > 0),
  workload jsonb not null,
  registry_revision bigint not null,
  decision jsonb not null,
  terms jsonb not null,
  terms_digest text not null,
  quorum smallint not null check (quorum >= 0),
  approvals smallint not null default 0,
  state text not null check (state in ('pending', 'approved', 'denied', 'expired', 'cancelled', 'permitted')),
  opened_at timestamptz not null default now(),
  expires_at timestamptz not null,
  decided_at timestamptz
);
create index access_requests_pending on access_requests (expires_at, id) where state = 'pending';
create index access_requests_decided on access_requests (decided_at desc, id) where state in ('approved', 'denied');

-- What a repeated exchange finds its request by: 'i:' + the agent's own request_id, or 'd:' + request digest.
create table request_keys (
  agent_id text not null,
  key text not null,
  request_id text not null references access_requests,
  primary key (agent_id, key)
);

create table votes (
  request_id text not null references access_requests,
  approver_tenant uuid not null,
  approver_object uuid not null,
  verdict text not null check (verdict in ('approve', 'deny')),
  approver_group text not null,
  reason text not null,
  terms_digest text not null,
  signed_in_at timestamptz not null,
  voted_at timestamptz not null default now(),
  primary key (request_id, approver_tenant, approver_object)
);

create table denials (
  request_id text not null references access_requests,
  agent_id text not null,
  audience text not null,
  scope text not null,
  denied_at timestamptz not null default now(),
  held_until timestamptz not null,
  lifted_at timestamptz,
  primary key (request_id, scope)
);
create index denials_held on denials (agent_id, audience, held_until) where lifted_at is null;

create table grants (
  id text primary key,
  request_id text not null unique references access_requests,
  agent_id text not null,
  terms_digest text not null,
  state text not null check (state in ('offered', 'active', 'ended')),
  ended_reason text check (ended_reason in ('expired', 'revoked', 'lapsed')),
  approver_groups text[] not null,
  token_seconds integer not null check (token_seconds > 0),
  tokens_left integer check (tokens_left >= 0),
  opened_at timestamptz not null default now(),
  pickup_until timestamptz not null,
  approved_until timestamptz not null,
  current_jti text,
  ended_at timestamptz,
  check ((state = 'ended') = (ended_reason is not null))
);
create index grants_open on grants (approved_until) where state <> 'ended';

create table tokens (
  jti text primary key,
  grant_id text not null references grants,
  kid text not null,
  state text not null check (state in ('ACTIVE', 'ROTATED', 'REVOKED')),
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  successor_jti text
);
-- The backstop of "one current credential per grant".
create unique index tokens_active on tokens (grant_id) where state = 'ACTIVE';

create table token_uses (
  audience text not null,
  event_id text not null,
  jti text not null,
  primary key (audience, event_id)
);

-- Insert only, by privilege. "body" is the RFC 8785 form of the event, the exact bytes that are sealed.
create table audit_events (
  position bigint generated always as identity primary key,
  recorded_at timestamptz not null default clock_timestamp(),
  name text not null,
  request_id text,
  agent_id text,
  body bytea not null
);
create index audit_events_request on audit_events (request_id, position) where request_id is not null;
create index audit_events_name on audit_events (name, position);
create index audit_events_agent on audit_events (agent_id, position) where agent_id is not null;
create index audit_events_recorded on audit_events using brin (recorded_at);

-- Names of people, apart from the events so that they can be erased.
create table people (
  tenant_id uuid not null,
  object_id uuid not null,
  name text not null,
  username text not null,
  seen_at timestamptz not null default now(),
  primary key (tenant_id, object_id)
);

create table signing_keys (
  kid text primary key,
  purpose text not null check (purpose in ('token', 'console')),
  algorithm text not null,
  public_jwk jsonb,
  private_key_encrypted bytea not null,
  created_at timestamptz not null default now()
);

create table sign_ins (
  state_hash bytea primary key,
  browser_hash bytea not null,
  secrets jsonb not null,
  return_to text not null,
  expires_at timestamptz not null
);

create table console_sessions (
  id_hash bytea primary key,
  tenant_id uuid not null,
  object_id uuid not null,
  name text not null,
  username text not null,
  roles text[] not null,
  signed_in_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index console_sessions_expiry on console_sessions (expires_at);
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(TABLES).execute(db);
};
