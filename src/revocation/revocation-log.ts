/**
 * Writing the log that APIs follow (`GET /revocations`). Whatever takes a token back writes it here in the same
 * transaction, so that a revocation and its line are committed together or not at all. The line's position comes from
 * the one row of `revocation_head`, locked from here to the commit: nobody sees a position before all smaller ones.
 * Take it last, because every other writer of the log waits for it.
 */
import { CompiledQuery, type Kysely } from 'kysely';
import type { Database, Statement } from '../storage/database.ts';
import type { RevocationKind, Tables } from '../storage/tables.ts';

/**
 * One line: a token with its `exp`, or the last second whose tokens are refused, of a signing key, an agent, an API, an
 * environment, all.
 */
export type Revocation = {
  readonly kind: RevocationKind;
  /** The jti, kid, agent id, audience or environment; empty for `global`. */
  readonly subject: string;
  readonly until: Date;
};

/**
 * The common table expressions that log what `source`, one of the same statement, yields: columns kind, subject and
 * until.
 */
export const logFrom = (source: string): string => `
revocations_end as (
  update revocation_head h set position = h.position + new.lines, mark = gen_random_uuid()
  from (select count(*) as lines from ${source}) as new where new.lines > 0
  returning h.position - new.lines as before, h.mark
), logged as (
  insert into revocations (position, mark, kind, subject, until)
  select e.before + row_number() over (order by s.kind, s.subject), e.mark, s.kind, s.subject, s.until
  from ${source} s cross join revocations_end e
)`;

/** APIs forgive clocks a little, so a token that has been over for so long may still be taken for good somewhere. */
export const FORGIVEN_SECONDS = 60;

/** The condition, on a token of the statement, that some API may still take it. */
export const mayBeTaken = (token: string): string =>
  `${token}.expires_at > now() - interval '${FORGIVEN_SECONDS} seconds'`;

const LOG = `with line as (
  select * from unnest($1::text[], $2::text[], $3::timestamptz[]) as line (kind, subject, until)
), ${logFrom('line')} select`;

/** Logs within the transaction `db` is. */
export const logRevocations = async (
  db: Kysely<Tables>,
  revocations: readonly Revocation[],
): Promise<void> => {
  await db.executeQuery(
    CompiledQuery.raw(LOG, [
      revocations.map(({ kind }) => kind),
      revocations.map(({ subject }) => subject),
      revocations.map(({ until }) => until),
    ]),
  );
};

/**
 * How long a line is kept: far longer than any token that it refuses lives (120 s), and than an API that still works
 * goes without a look. Whoever was away longer reads everything anew.
 */
export const RETAINED_SECONDS = 900;

const FORGET: Statement = {
  name: 'forget-revocations',
  text: `delete from revocations where recorded_at < now() - make_interval(secs => $1::integer)
    and position < (select min(position) from revocations where recorded_at >= now() - make_interval(secs => $1::integer))`,
};

/** Forgets lines that can refuse nothing any more. */
export const forgetRevocations = async (database: Database): Promise<void> => {
  await database.query(FORGET, [RETAINED_SECONDS]);
};
