/** Ending what a block closes: its pending requests are cancelled, its grants revoked with their tokens. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import type { BlockKind } from '../storage/tables.ts';
import { cancelRequests, type Ending, revokeGrants } from './end.ts';

type Blocked = {
  readonly kind: BlockKind;
  readonly subject: string;
  readonly reason: string;
  readonly by: string;
};

/** Rows ended by one statement. */
const BATCH = 200;
const LOOK_AGAIN_MS = 20;
/** Well above the limits of any statement of ours (`src/storage/database.ts`). */
const OLDER_MAX_MS = 15_000;

/**
 * Waits until no transaction of ours is left that began before now. Those that begin later see the block; those that
 * are left over may have looked before it was committed. Throws if they do not end: the sweeper tries again.
 */
const outlastOlder = async ({ db }: Database): Promise<void> => {
  const { rows } = await sql<{ now: string }>`select clock_timestamp()::text as now`.execute(db);
  const now = rows[0]?.now;
  const until = performance.now() + OLDER_MAX_MS;
  while (performance.now() < until) {
    const older = await sql`select from pg_stat_activity where usename = current_user
      and datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'
      and xact_start <= ${now}::timestamptz limit 1`.execute(db);
    if (older.rows.length === 0) return;
    await sleep(LOOK_AGAIN_MS);
  }
  throw new Error('a transaction from before the block does not end');
};

/** Pending requests and grants that are not over, of what is closed. */
const findBlocked = async ({ db }: Database, { kind, subject }: Blocked): Promise<Ending[]> => {
  const { rows } = await sql<Ending>`
    select r.id as "requestId", r.agent_id as "agentId", g.id as "grantId"
    from access_requests r left join grants g on g.request_id = r.id
    where (r.state = 'pending' and r.expires_at > now() or g.state <> 'ended' and g.approved_until > now())
      and case ${kind}::text
        when 'agent' then r.agent_id = ${subject}
        when 'audience' then r.audience = ${subject}
        when 'environment' then r.audience in (
          select audience from resources where definition ->> 'environment' = ${subject})
        else true end
    limit ${BATCH}`.execute(db);
  return rows;
};

/** Ends all of it. A vote that was under way may turn a pending request into a grant: the next look finds that. */
export const endBlocked = async (database: Database, blocked: Blocked): Promise<void> => {
  await outlastOlder(database);
  const note = { by: blocked.by, cause: blocked.reason };
  for (;;) {
    const found = await findBlocked(database, blocked);
    if (found.length === 0) return;
    const [grants, pending] = [
      found.filter(({ grantId }) => grantId !== null),
      found.filter(({ grantId }) => grantId === null),
    ];
    if (grants.length > 0) await revokeGrants(database, grants, { ...note, endedBy: 'block' });
    if (pending.length > 0) await cancelRequests(database, pending, note);
  }
};
