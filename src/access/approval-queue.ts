/**
 * What people are asked to decide: a person sees exactly the requests whose terms name one of their groups, waiting
 * or decided, and nothing of any other. Reads only; `vote.ts` alone changes anything. Times in cursors are text of
 * the database, microseconds and all: a JavaScript date would lose rows between two pages.
 */
import { type RawBuilder, sql } from 'kysely';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import type { Decision } from '../policy/decision.ts';
import type { Principal } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';
import type { GrantEnd, GrantState, RequestState } from '../storage/tables.ts';
import { APPROVER_ROLE_PREFIX } from './quorum.ts';
import type { Terms } from './request-digest.ts';

/** The place after which a page of a list begins. */
export type QueueCursor = { readonly time: string; readonly id: string };

/** Someone who approves, by Entra's roles. */
export type QueueReader = Principal & { readonly roles: readonly string[] };

export type QueueEntry = {
  readonly requestId: string;
  readonly agentId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly terms: Terms;
  readonly state: RequestState;
  readonly openedAt: Date;
  readonly expiresAt: Date;
  readonly decidedAt: Date | null;
  readonly approvals: number;
  readonly quorum: number;
  /** Names of those who voted, in order; the object id of whoever's name was erased. */
  readonly voters: readonly string[];
  /** Whether the reader is among them. */
  readonly voted: boolean;
};

export type QueuePart = {
  readonly items: readonly QueueEntry[];
  readonly next: QueueCursor | null;
  /** The database's clock at the read. */
  readonly now: Date;
};

export type CastVote = Principal & {
  readonly name: string;
  readonly verdict: 'approve' | 'deny';
  readonly reason: string;
  readonly votedAt: Date;
  /** Whether it is on the terms that the request has now; a vote on wider ones does not count any more. */
  readonly current: boolean;
};

/** One request with everything an approver decides on. */
export type ApprovalRequest = Omit<QueueEntry, 'voters' | 'voted'> & {
  readonly authorizationDetails: Terms['authorization_details'];
  readonly proofKey: string | null;
  readonly justification: string | null;
  readonly workload: VerifiedWorkload;
  readonly decision: Decision;
  readonly termsDigest: string;
  readonly votes: readonly CastVote[];
  readonly grant: {
    readonly state: GrantState;
    readonly endedReason: GrantEnd | null;
    /** Null: it began when it was opened. */
    readonly startsAt: Date | null;
    readonly pickupUntil: Date;
    readonly approvedUntil: Date;
    /** Tokens issued so far. */
    readonly tokens: number;
  } | null;
  readonly now: Date;
};

const CURSOR = /^((?!0000)\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z)~([\w-]{1,64})$/;

/** JavaScript takes 31 February for a day of March; PostgreSQL takes it for an error. */
const isOnCalendar = (time: string): boolean => {
  const date = new Date(time);
  return !Number.isNaN(date.getTime()) && time.startsWith(date.toISOString().slice(0, -1));
};

/** Reads a cursor of an earlier page's address; null if it is none. */
export const parseQueueCursor = (text: string): QueueCursor | null => {
  const [, time, id] = CURSOR.exec(text) ?? [];
  return time === undefined || id === undefined || !isOnCalendar(time) ? null : { time, id };
};

export const renderQueueCursor = ({ time, id }: QueueCursor): string => `${time}~${id}`;

/** Groups that the roles make a person eligible for. */
export const approverGroups = (roles: readonly string[]): string[] =>
  roles
    .filter((role) => role.startsWith(APPROVER_ROLE_PREFIX))
    .map((role) => role.slice(APPROVER_ROLE_PREFIX.length));

const microseconds = (column: string): RawBuilder<string> =>
  sql<string>`to_char(${sql.ref(column)} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const entryColumns = (reader: QueueReader) => sql`
  r.id as "requestId", r.agent_id as "agentId", r.audience, r.scopes, r.terms, r.state, r.approvals, r.quorum,
  r.opened_at as "openedAt", r.expires_at as "expiresAt", r.decided_at as "decidedAt", now() as now,
  array(select coalesce(p.name, v.approver_object::text) from votes v
    left join people p on p.tenant_id = v.approver_tenant and p.object_id = v.approver_object
    where v.request_id = r.id order by v.voted_at) as voters,
  exists(select from votes v where v.request_id = r.id and v.terms_digest = r.terms_digest
    and v.approver_tenant = ${reader.tenant}
    and v.approver_object = ${reader.object}) as voted`;

type EntryRow = QueueEntry & { readonly cursor: string; readonly now: Date };

const partOf = (rows: readonly EntryRow[], limit: number): QueuePart => {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return {
    items,
    next: rows.length > limit && last !== undefined ? { time: last.cursor, id: last.requestId } : null,
    now: rows[0]?.now ?? new Date(),
  };
};

export type QueuePage = { readonly after: QueueCursor | null; readonly limit: number };

/** Requests that wait and that the reader's groups may decide, the first to close first. */
export const findWaiting = async (
  database: Database,
  reader: QueueReader,
  { after, limit }: QueuePage,
): Promise<QueuePart> => {
  const { rows } = await sql<EntryRow>`
    select ${entryColumns(reader)}, ${microseconds('r.expires_at')} as cursor
    from access_requests r
    where r.state = 'pending' and r.expires_at > now()
      and r.terms->'groups' ?| ${approverGroups(reader.roles)}::text[]
      and (${after === null} or (r.expires_at, r.id) > (${after?.time ?? null}::timestamptz, ${after?.id ?? null}::text))
    order by r.expires_at, r.id limit ${limit + 1}`.execute(database.pages);
  return partOf(rows, limit);
};

/** Requests that people approved or denied and that the reader's groups might have, the newest decision first. */
export const findDecided = async (
  database: Database,
  reader: QueueReader,
  { after, limit }: QueuePage,
): Promise<QueuePart> => {
  const { rows } = await sql<EntryRow>`
    select ${entryColumns(reader)}, ${microseconds('r.decided_at')} as cursor
    from access_requests r
    where r.state in ('approved', 'denied')
      and r.terms->'groups' ?| ${approverGroups(reader.roles)}::text[]
      and (${after === null} or r.decided_at < ${after?.time ?? null}::timestamptz
        or r.decided_at = ${after?.time ?? null}::timestamptz and r.id > ${after?.id ?? null}::text)
    order by r.decided_at desc, r.id limit ${limit + 1}`.execute(database.pages);
  return partOf(rows, limit);
};

type ApprovalRow = Omit<ApprovalRequest, 'votes' | 'grant'> & {
  readonly grantState: GrantState | null;
  readonly endedReason: GrantEnd | null;
  readonly startsAt: Date | null;
  readonly pickupUntil: Date;
  readonly approvedUntil: Date;
  readonly tokens: number;
};

const findVotes = async (database: Database, requestId: string): Promise<CastVote[]> => {
  const { rows } = await sql<CastVote>`
    select v.approver_tenant as tenant, v.approver_object as object, coalesce(p.name, v.approver_object::text) as name,
      v.verdict, v.reason, v.voted_at as "votedAt", v.terms_digest = r.terms_digest as current
    from votes v join access_requests r on r.id = v.request_id left join people p on p.tenant_id = v.approver_tenant and p.object_id = v.approver_object
    where v.request_id = ${requestId} order by v.voted_at`.execute(database.pages);
  return rows;
};

/** The request, in whatever state; null if it is unknown or none of the reader's groups may decide it. */
export const findForApprover = async (
  database: Database,
  reader: QueueReader,
  requestId: string,
): Promise<ApprovalRequest | null> => {
  const { rows } = await sql<ApprovalRow>`
    select r.id as "requestId", r.agent_id as "agentId", r.audience, r.scopes, r.terms, r.state, r.approvals, r.quorum,
      r.opened_at as "openedAt", r.expires_at as "expiresAt", r.decided_at as "decidedAt", now() as now,
      r.authorization_details as "authorizationDetails", r.proof_key as "proofKey", r.justification, r.workload,
      r.decision, r.terms_digest as "termsDigest", g.state as "grantState", g.ended_reason as "endedReason",
      g.starts_at as "startsAt", g.pickup_until as "pickupUntil", g.approved_until as "approvedUntil",
      (select count(*) from tokens t where t.grant_id = g.id) as tokens
    from access_requests r left join grants g on g.request_id = r.id
    where r.id = ${requestId} and r.terms->'groups' ?| ${approverGroups(reader.roles)}::text[]`.execute(
    database.pages,
  );
  const [row] = rows;
  if (row === undefined) return null;
  const { grantState, endedReason, startsAt, pickupUntil, approvedUntil, tokens, ...request } = row;
  return {
    ...request,
    votes: await findVotes(database, requestId),
    grant:
      grantState === null
        ? null
        : { state: grantState, endedReason, startsAt, pickupUntil, approvedUntil, tokens },
  };
};
