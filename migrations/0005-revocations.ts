/**
 * Taking back: the log of revocations that APIs follow, and the blocks that close an agent, an API, an environment or
 * everything.
 *
 * The log is read by its position, so a position may never be seen before a smaller one: identity columns are given out
 * before the commit and are committed in any order, and a horizon of transaction ids stands still as long as anybody
 * in the whole server, another application perhaps, keeps a transaction open. So the position is taken from
 * `revocation_head`, whose row a writer locks until it commits: writers of the log follow one another, and their
 * positions have no gaps.
 */
import { type Kysely, sql } from 'kysely';

const TABLES = `
create table revocation_head (
  singleton boolean primary key default true check (singleton),
  position bigint not null default 0,
  -- Of the last write, so that a reader's place in another history (a restored backup) is told from one in this.
  mark uuid not null default gen_random_uuid()
);
insert into revocation_head default values;

-- "until": of a token when it expires; of everything else the last second whose tokens are refused.
create table revocations (
  position bigint primary key,
  mark uuid not null,
  kind text not null check (kind in ('token', 'agent', 'audience', 'environment', 'global')),
  subject text not null,
  until timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp()
);

-- What is closed. One that is not "lasting" takes back what was given, and lifts itself when that is done.
create table blocks (
  id text primary key,
  kind text not null check (kind in ('agent', 'audience', 'environment', 'global')),
  subject text not null check ((kind = 'global') = (subject = '')),
  lasting boolean not null,
  reason text not null,
  set_by text not null,
  set_at timestamptz not null default clock_timestamp(),
  -- The revision of in_force.blocks_revision that set it.
  revision bigint not null,
  -- When everything that it closes was ended; null: that is still to do.
  swept_at timestamptz,
  lifted_at timestamptz,
  lifted_by text,
  lifted_reason text
);
create unique index blocks_lasting on blocks (kind, subject) where lasting and lifted_at is null;
create index blocks_open on blocks (set_at) where lifted_at is null;

-- As the registry's revision: what an exchange was decided on is compared with it when the exchange commits.
alter table in_force add column blocks_revision bigint not null default 0;

-- Assertions up to this second are believed no more: of one agent, of all.
alter table agents add column not_before timestamptz;
alter table in_force add column not_before timestamptz;

-- Who ended a grant before its time; null: nobody did, or policy.
alter table grants add column ended_by text check (ended_by in ('operator', 'agent', 'block'));
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(TABLES).execute(db);
};
