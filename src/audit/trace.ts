/** Reading the trail: all of one request in order, or everything newest first by filter. Positions are the order. */
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import type { RequestState } from '../storage/tables.ts';
import type { JsonObject } from './event.ts';

/** An event as it was stored; `body` is the parsed form of the bytes that are sealed. */
export type StoredEvent = {
  readonly position: number;
  /** When the database took it in. */
  readonly recordedAt: Date;
  readonly name: string;
  readonly requestId: string | null;
  readonly agentId: string | null;
  readonly body: JsonObject;
};

/** What the access request itself says; times of the database. */
export type TracedRequest = {
  readonly requestId: string;
  readonly agentId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly state: RequestState;
  readonly terms: JsonObject;
  readonly termsDigest: string;
  readonly decision: JsonObject;
  readonly approvals: number;
  readonly quorum: number;
  readonly openedAt: Date;
  readonly expiresAt: Date;
  readonly decidedAt: Date | null;
  readonly grant: JsonObject | null;
};

export type Trace = {
  /** Null where policy refused by itself: that opens no request, but its events share an id. */
  readonly request: TracedRequest | null;
  readonly events: readonly StoredEvent[];
};

export type EventFilter = {
  readonly agent: string | null;
  readonly request: string | null;
  readonly event: string | null;
  /** Events of these names whose bytes hold this text. */
  readonly refusal: { readonly events: readonly string[]; readonly holds: string } | null;
  /** Recorded at or after. */
  readonly from: Date | null;
  /** Recorded before. */
  readonly to: Date | null;
};

/** Events of one trace that are read at once; `listEvents` pages through longer ones. */
export const TRACE_EVENTS_MAX = 500;

type EventRow = Omit<StoredEvent, 'body'> & { readonly body: Buffer };

const EVENT_COLUMNS = sql`position, recorded_at as "recordedAt", name, request_id as "requestId", agent_id as "agentId", body`;

const eventOf = (row: EventRow): StoredEvent => ({
  ...row,
  body: JSON.parse(row.body.toString()) as JsonObject,
});

const findTraced = async (database: Database, requestId: string): Promise<TracedRequest | null> => {
  const { rows } = await sql<TracedRequest>`
    select r.id as "requestId", r.agent_id as "agentId", r.audience, r.scopes, r.state, r.terms,
      r.terms_digest as "termsDigest", r.decision, r.approvals, r.quorum, r.opened_at as "openedAt",
      r.expires_at as "expiresAt", r.decided_at as "decidedAt",
      case when g.id is not null then jsonb_build_object('id', g.id, 'state', g.state, 'ended_reason', g.ended_reason,
        'pickup_until', g.pickup_until, 'approved_until', g.approved_until, 'current_jti', g.current_jti) end as grant
    from access_requests r left join grants g on g.request_id = r.id where r.id = ${requestId}`.execute(
    database.pages,
  );
  return rows[0] ?? null;
};

/** Everything of one request in order, its first `TRACE_EVENTS_MAX` events; null if nothing is known of the id. */
export const traceOf = async (database: Database, requestId: string): Promise<Trace | null> => {
  const request = await findTraced(database, requestId);
  const { rows } = await sql<EventRow>`
    select ${EVENT_COLUMNS} from audit_events where request_id = ${requestId}
    order by position limit ${TRACE_EVENTS_MAX}`.execute(database.pages);
  return request === null && rows.length === 0 ? null : { request, events: rows.map(eventOf) };
};

/**
 * How far the clock of the row that a position points to may be off its neighbours': rows of transactions that ran at
 * the same time are numbered and dated a little apart.
 */
const CLOCK_SLACK_MS = 60_000;

/**
 * The first position recorded at or after `time`, as far as positions and times grow together; null in an empty
 * trail. A binary search over the primary key: about twenty look-ups in a million rows, where a scan by time would
 * read most of them.
 */
const findPosition = async (database: Database, time: Date): Promise<number | null> => {
  const { rows } = await sql<{ position: number }>`
    with recursive search (low, high) as (
      select min(position), max(position) + 1 from audit_events
      union all
      select case when probe.earlier then middle + 1 else low end, case when probe.earlier then high else middle end
      from search
      cross join lateral (select (low + high) / 2 as middle) as half
      cross join lateral (
        select recorded_at < ${time} as earlier from audit_events where position >= middle order by position limit 1
      ) as probe
      where low < high
    )
    select low as position from search where low >= high`.execute(database.pages);
  return rows[0]?.position ?? null;
};

const shifted = (time: Date, milliseconds: number): Date => new Date(time.getTime() + milliseconds);

/** The times of a filter as positions, wide enough; the times themselves decide. */
const positionsOf = async (
  database: Database,
  { from, to }: EventFilter,
): Promise<{ readonly first: number | null; readonly end: number | null }> => ({
  first: from === null ? null : await findPosition(database, shifted(from, -CLOCK_SLACK_MS)),
  end: to === null ? null : await findPosition(database, shifted(to, CLOCK_SLACK_MS)),
});

/** Events newest first; `next` is the `before` of the following page. */
export const listEvents = async (
  database: Database,
  filter: EventFilter,
  { before, limit }: { readonly before: number | null; readonly limit: number },
): Promise<{ readonly items: readonly StoredEvent[]; readonly next: number | null }> => {
  const { first, end } = await positionsOf(database, filter);
  const conditions = [sql`true`];
  if (filter.agent !== null) conditions.push(sql`agent_id = ${filter.agent}`);
  if (filter.request !== null) conditions.push(sql`request_id = ${filter.request}`);
  if (filter.event !== null) conditions.push(sql`name = ${filter.event}`);
  if (filter.refusal !== null) {
    const { events, holds } = filter.refusal;
    conditions.push(
      sql`name = any(${events}::text[]) and position(convert_to(${holds}, 'UTF8') in body) > 0`,
    );
  }
  if (filter.from !== null) conditions.push(sql`recorded_at >= ${filter.from}`);
  if (filter.to !== null) conditions.push(sql`recorded_at < ${filter.to}`);
  if (first !== null) conditions.push(sql`position >= ${first}`);
  if (end !== null) conditions.push(sql`position < ${end}`);
  if (before !== null) conditions.push(sql`position < ${before}`);
  const { rows } = await sql<EventRow>`
    select ${EVENT_COLUMNS} from audit_events where ${sql.join(conditions, sql` and `)}
    order by position desc limit ${limit + 1}`.execute(database.pages);
  const items = rows.slice(0, limit).map(eventOf);
  return { items, next: rows.length > limit ? (items.at(-1)?.position ?? null) : null };
};
