/** Ending what a block closes: its pending requests are cancelled, its grants revoked with their tokens. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { type Database, DatabaseUnavailable } from '../storage/database.ts';
import type { BlockKind } from '../storage/tables.ts';
import { cancelRequests, type Ending, revokeGrants } from './end.ts';

type Blocked = {
  readonly id: string;
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
 * Transactions under way that write what a block ends, whoever's: of another login nothing else is shown. A statement locks
 * its tables before it takes its snapshot, so one that locks them after our look sees the block. Who only reads, such as
 * a backup of an hour, is not waited for.
 */
const UNDER_WAY = sql<{ id: string }>`
  select l.virtualtransaction as id from pg_locks l join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'virtualxid' and l.mode = 'ExclusiveLock' and l.granted and l.pid <> pg_backend_pid()
    and a.datname = current_database() and a.usename is not null
    and exists (select from pg_locks w where w.virtualtransaction = l.virtualtransaction and w.locktype = 'relation'
      and w.mode = 'RowExclusiveLock' and w.relation in ('access_requests'::regclass, 'grants'::regclass))`;

/**
 * Waits until no transaction is left that is under way now. Those that begin later see the block; those that are left
 * over may have looked before it was committed. Throws `DatabaseUnavailable` if they do not end: the sweeper tries again.
 */
const outlastOlder = async ({ db }: Database): Promise<void> => {
  const older = new Set((await UNDER_WAY.execute(db)).rows.map(({ id }) => id));
  const until = performance.now() + OLDER_MAX_MS;
  while (older.size > 0) {
    if (performance.now() > until)
      throw new DatabaseUnavailable('a transaction from before the block does not end');
    await sleep(LOOK_AGAIN_MS);
    const left = new Set((await UNDER_WAY.execute(db)).rows.map(({ id }) => id));
    for (const id of older) if (!left.has(id)) older.delete(id);
  }
};

/**
 * Pending requests and grants that are not over, of what is closed; nothing once it is open again: what is given then
 * is not this block's. Each half looks up what is open by its own index, however much is over.
 */
const findBlocked = async ({ db }: Database, { id, kind, subject }: Blocked): Promise<Ending[]> => {
  const closed = sql`case ${kind}::text
        when 'agent' then r.agent_id = ${subject}
        when 'audience' then r.audience = ${subject}
        when 'environment' then r.audience in (
          select audience from resources where definition ->> 'environment' = ${subject})
        else true end
      and exists (select from blocks where id = ${id} and lifted_at is null)`;
  const { rows } = await sql<Ending>`
    (select r.id as "requestId", r.agent_id as "agentId", null as "grantId" from access_requests r
      where r.state = 'pending' and r.expires_at > now() and ${closed} limit ${BATCH})
    union all
    (select r.id, r.agent_id, g.id from grants g join access_requests r on r.id = g.request_id
      where g.state <> 'ended' and g.approved_until > now() and ${closed} limit ${BATCH})`.execute(db);
  return rows;
};

/** A vote that was under way may turn a pending request into a grant: the next look finds that. */
const endFound = async (database: Database, blocked: Blocked): Promise<void> => {
  const note = { by: blocked.by, cause: blocked.reason };
  for (;;) {
    const found = await findBlocked(database, blocked);
    if (found.length === 0) return;
    const grants = found.filter(({ grantId }) => grantId !== null);
    const pending = found.filter(({ grantId }) => grantId === null);
    if (grants.length > 0) await revokeGrants(database, grants, { ...note, endedBy: 'block' });
    if (pending.length > 0) await cancelRequests(database, pending, note);
  }
};

/** Ends all of it: what is there now at once, and what was under way when it is. */
export const endBlocked = async (database: Database, blocked: Blocked): Promise<void> => {
  await endFound(database, blocked);
  await outlastOlder(database);
  await endFound(database, blocked);
};
