/**
 * An assertion opens one request at a time, where its tenant's entry says `replay: strict` (RFC 7523 section 3). It is
 * known by its tenant and its `uti`, never by its bytes, and told by a row of the very statement that opens: of two
 * callers at once the second waits for the first. Its statement does not see what the first wrote, so a request that it
 * cannot find counts as open.
 */
import { type Kysely, sql } from 'kysely';
import type { Tables } from '../storage/tables.ts';

/** Longer than an assertion can pass after its end, whatever the clocks of two replicas. */
const KEPT_SECONDS = 300;
/** Rows removed in one look, so that a backlog never holds the pool. */
const SWEEP_BATCH = 10_000;

/**
 * Part of the opening statement, after `claimed`: the claims whose assertion has nothing else open. One that is left out
 * leaves its key without a request, which violates the key and undoes the statement.
 */
export const SINGLED = `
singled as (
  insert into opened_assertions as o (tenant_id, assertion_id, request_id, expires_at)
  select a.tenant_id, a.assertion_id, a.id, to_timestamp(a.assertion_expires_at)
  from claimed join asked a on a.id = claimed.request_id
  on conflict (tenant_id, assertion_id) do update
    set request_id = excluded.request_id, expires_at = excluded.expires_at
    where o.request_id = (select asked.replaces from asked where asked.id = excluded.request_id)
      or (select r.state in ('denied', 'expired', 'cancelled') from access_requests r where r.id = o.request_id limit 1)
      or (select g.state = 'ended' or g.approved_until <= now() from grants g
        where g.request_id = o.request_id limit 1)
  returning request_id
)`;

const KEY_WITHOUT_REQUEST = 'request_keys_request_id_fkey';

/** Whether an opening failed because its assertion has another request open. */
export const isAssertionReplay = (error: unknown): boolean =>
  error instanceof Error && 'constraint' in error && error.constraint === KEY_WITHOUT_REQUEST;

/** Forgets assertions that are over. */
export const forgetAssertions = async (db: Kysely<Tables>): Promise<void> => {
  await sql`delete from opened_assertions where (tenant_id, assertion_id) in (
    select tenant_id, assertion_id from opened_assertions
    where expires_at < now() - make_interval(secs => ${KEPT_SECONDS}) order by expires_at limit ${SWEEP_BATCH})`.execute(
    db,
  );
};
