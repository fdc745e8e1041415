/**
 * The lists of the queue, keyset-paged. What waits comes in the order in which it should be looked at: what this
 * person can decide, then the more sensitive, then the older. Times in cursors are text of the database, microseconds
 * and all: a JavaScript date would lose rows between two pages.
 */
import { type RawBuilder, sql } from 'kysely';
import { isSamePrincipal, type Principal, type Registry } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';
import { approverGroups, type QueueEntry, type QueueReader } from './approval-queue.ts';
import { countsBeside } from './counted-votes.ts';

/** The place after which a page of a list begins; `rank` is 0 where the list has no other order than time. */
export type QueueCursor = { readonly rank: number; readonly time: string; readonly id: string };

export type QueuePart = {
  readonly items: readonly QueueEntry[];
  readonly next: QueueCursor | null;
  /** The database's clock at the read. */
  readonly now: Date;
};

/** Null: any. */
export type QueueFilter = {
  readonly agents: readonly string[] | null;
  readonly audiences: readonly string[] | null;
  /** Of decided requests only, as all that follows. */
  readonly outcome: 'approved' | 'denied' | null;
  /** Accounts of which one at least voted on it; then times are those of their last vote. */
  readonly approvers: readonly Principal[] | null;
  /** When it was decided: from this instant on, and before that one. RFC 3339. */
  readonly from: string | null;
  readonly before: string | null;
};

export type QueuePage = {
  readonly after: QueueCursor | null;
  readonly limit: number;
  readonly filter: QueueFilter;
};

const CURSOR = /^(\d)~((?!0000)\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z)~([\w-]{1,64})$/;

/** JavaScript takes 31 February for a day of March; PostgreSQL takes it for an error. */
const isOnCalendar = (time: string): boolean => {
  const date = new Date(time);
  return !Number.isNaN(date.getTime()) && time.startsWith(date.toISOString().slice(0, -1));
};

/** Reads a cursor of an earlier page's address; null if it is none. */
export const parseQueueCursor = (text: string): QueueCursor | null => {
  const [, rank, time, id] = CURSOR.exec(text) ?? [];
  return time === undefined || id === undefined || !isOnCalendar(time)
    ? null
    : { rank: Number(rank), time, id };
};

export const renderQueueCursor = ({ rank, time, id }: QueueCursor): string => `${rank}~${time}~${id}`;

const microseconds = (column: string): RawBuilder<string> =>
  sql<string>`to_char(${sql.ref(column)} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Counted, since PostgreSQL may answer `exists` by reading all votes there are. */
const votedBy = (reader: QueueReader) => sql`
  (select count(*) from votes v where v.request_id = r.id and v.terms_digest = r.terms_digest
    and v.approver_tenant = ${reader.tenant} and v.approver_object = ${reader.object}) > 0`;

const entryColumns = (reader: QueueReader) => sql`
  r.id as "requestId", r.agent_id as "agentId", r.audience, r.scopes, r.terms, r.state, r.approvals, r.quorum,
  r.opened_at as "openedAt", r.expires_at as "expiresAt", r.decided_at as "decidedAt", now() as now,
  array(select jsonb_build_object('name', coalesce(p.name, v.approver_object::text), 'reason', v.reason) from votes v
    left join people p on p.tenant_id = v.approver_tenant and p.object_id = v.approver_object
    where v.request_id = r.id and v.verdict = case r.state when 'denied' then 'deny' else 'approve' end
      and ${countsBeside(sql`r.terms_digest`)} order by v.voted_at) as voters,
  ${votedBy(reader)} as voted`;

const matching = ({ agents, audiences, outcome }: QueueFilter) => sql`
  ${agents === null ? sql`` : sql`and r.agent_id = any(${agents}::text[])`}
  ${audiences === null ? sql`` : sql`and r.audience = any(${audiences}::text[])`}
  ${outcome === null ? sql`` : sql`and r.state = ${outcome}`}`;

type EntryRow = QueueEntry & { readonly rank: number; readonly cursor: string; readonly now: Date };

const partOf = (rows: readonly EntryRow[], limit: number): QueuePart => {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return {
    items,
    next:
      rows.length > limit && last !== undefined
        ? { rank: last.rank, time: last.cursor, id: last.requestId }
        : null,
    now: rows[0]?.now ?? new Date(),
  };
};

const SENSITIVITY_RANK = { critical: 0, high: 1, moderate: 2, low: 3 } as const;
const UNKNOWN_RANK = 4;
/** Added for what this person cannot decide: above every rank of sensitivity. */
const NOT_MINE = 5;

/** Requests that wait and that the reader's groups may decide. `registry` ranks APIs and names who owns an agent. */
export const findWaiting = async (
  database: Database,
  reader: QueueReader,
  { after, limit, filter, registry }: QueuePage & { readonly registry: Registry },
): Promise<QueuePart> => {
  const resources = [...registry.resources.values()];
  const accounts = registry.accountsOf(reader);
  const answersFor = [...registry.agents.values()]
    .filter((agent) =>
      [...agent.owners, ...agent.sponsors].some((person) =>
        accounts.some((account) => isSamePrincipal(account, person)),
      ),
    )
    .map(({ id }) => id);
  const rank = sql`coalesce(s.rank, ${UNKNOWN_RANK}::int)
    + case when r.agent_id = any(${answersFor}::text[]) or ${votedBy(reader)}
      then ${NOT_MINE}::int else 0 end`;
  const { rows } = await sql<EntryRow>`
    select ${entryColumns(reader)}, ${microseconds('r.opened_at')} as cursor, ${rank} as rank
    from access_requests r
    left join unnest(${resources.map(({ audience }) => audience)}::text[],
      ${resources.map(({ sensitivity }) => SENSITIVITY_RANK[sensitivity])}::int[]) as s (audience, rank)
      on s.audience = r.audience
    where r.state = 'pending' and r.expires_at > now()
      and r.terms->'groups' ?| ${approverGroups(reader.roles)}::text[] ${matching(filter)}
      ${
        after === null
          ? sql``
          : sql`and (${rank}, r.opened_at, r.id) > (${after.rank}::int, ${after.time}::timestamptz, ${after.id}::text)`
      }
    order by ${rank}, r.opened_at, r.id limit ${limit + 1}`.execute(database.pages);
  return partOf(rows, limit);
};

/** Decided requests of the reader's groups that match, with no word on when. */
const decidedAndMatching = (reader: QueueReader, filter: QueueFilter) => sql`
  r.state in ('approved', 'denied')
  and r.terms->'groups' ?| ${approverGroups(reader.roles)}::text[] ${matching(filter)}`;

/** What is within the days of the filter and after the cursor; `time` and `id` are the columns that order the list. */
const within = (time: string, id: string, { after, filter: { from, before } }: QueuePage) => sql`
  ${from === null ? sql`` : sql`and ${sql.ref(time)} >= ${from}::timestamptz`}
  ${before === null ? sql`` : sql`and ${sql.ref(time)} < ${before}::timestamptz`}
  ${
    after === null
      ? sql``
      : sql`and ${sql.ref(time)} <= ${after.time}::timestamptz
          and (${sql.ref(time)} < ${after.time}::timestamptz or ${sql.ref(id)} > ${after.id}::text)`
  }`;

/**
 * What certain people decided is told by the last vote of theirs on it: one walk along the votes of each, however many
 * requests others decided meanwhile. Of a quorum, that vote may be older than the decision.
 */
const decidedByQuery = (reader: QueueReader, approvers: readonly Principal[], page: QueuePage) => {
  const objects = sql`${approvers.map(({ object }) => object)}::uuid[]`;
  const tenants = sql`${approvers.map(({ tenant }) => tenant)}::uuid[]`;
  return sql<EntryRow>`
    select ${entryColumns(reader)}, ${microseconds('mine.voted_at')} as cursor, 0 as rank
    from (select distinct unnest(${objects}) as object) approver
    cross join lateral (
      select v.request_id, v.voted_at from votes v join access_requests r on r.id = v.request_id
      where v.approver_object = approver.object and v.approver_tenant = any(${tenants})
        and ${decidedAndMatching(reader, page.filter)} ${within('v.voted_at', 'v.request_id', page)}
        and not exists (select from votes later where later.request_id = v.request_id
          and later.approver_object = any(${objects}) and later.approver_tenant = any(${tenants})
          and later.voted_at > v.voted_at)
      order by v.voted_at desc, v.request_id limit ${page.limit + 1}) mine
    join access_requests r on r.id = mine.request_id
    order by mine.voted_at desc, r.id limit ${page.limit + 1}`;
};

/** Requests that people approved or denied and that the reader's groups might have, the newest decision first. */
export const decidedQuery = (reader: QueueReader, page: QueuePage) =>
  page.filter.approvers !== null
    ? decidedByQuery(reader, page.filter.approvers, page)
    : sql<EntryRow>`
        select ${entryColumns(reader)}, ${microseconds('r.decided_at')} as cursor, 0 as rank
        from access_requests r
        where ${decidedAndMatching(reader, page.filter)} ${within('r.decided_at', 'r.id', page)}
        order by r.decided_at desc, r.id limit ${page.limit + 1}`;

export const findDecided = async (
  database: Database,
  reader: QueueReader,
  page: QueuePage,
): Promise<QueuePart> => partOf((await decidedQuery(reader, page).execute(database.pages)).rows, page.limit);
