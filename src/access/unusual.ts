/**
 * What is unusual about a request, by the agent's own history at that API: only what was allowed makes anything
 * usual, so refused attempts never do. Deterministic, of nothing that an agent wrote, and of a bounded history that
 * one index holds in order. It informs people; nothing is decided by it.
 */
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import type { ApprovalRequest } from './approval-queue.ts';

/** Earlier requests that are looked at, newest first. */
export const HISTORY_LENGTH = 200;

export type Unusual =
  | { readonly kind: 'first_time' }
  /** Asked for before, so often within the history, and never allowed. */
  | { readonly kind: 'never_allowed'; readonly attempts: number }
  | { readonly kind: 'new_scope'; readonly scopes: readonly string[] }
  | { readonly kind: 'longer'; readonly seconds: number; readonly longestBefore: number }
  /** Hour of the day, UTC. */
  | { readonly kind: 'off_hours'; readonly hour: number; readonly days: number }
  | { readonly kind: 'burst'; readonly count: number; readonly minutes: number };

export type EarlierRequest = {
  readonly scopes: readonly string[];
  readonly grantSeconds: number;
  readonly openedAt: Date;
  readonly allowed: boolean;
};

export type Asking = {
  readonly scopes: readonly string[];
  readonly grantSeconds: number;
  readonly openedAt: Date;
};

const DAY_MS = 86_400_000;
/** Fewer days than this have no habits. */
const HABIT_DAYS = 5;
/** Hours before and after a known one that still count as it. */
const HOURS_AROUND = 1;
const BURST_MINUTES = 10;
const BURST_MIN = 4;
/** A burst is so many times what the earlier history has in as many minutes. */
const BURST_FACTOR = 4;

const hourOf = (time: Date): number => time.getUTCHours();

const hoursApart = (one: number, other: number): number => {
  const apart = Math.abs(one - other);
  return Math.min(apart, 24 - apart);
};

const checkHour = (asking: Asking, allowed: readonly EarlierRequest[]): Unusual[] => {
  const days = new Set(allowed.map(({ openedAt }) => Math.floor(openedAt.getTime() / DAY_MS))).size;
  const hour = hourOf(asking.openedAt);
  const known = allowed.some(({ openedAt }) => hoursApart(hourOf(openedAt), hour) <= HOURS_AROUND);
  return days < HABIT_DAYS || known ? [] : [{ kind: 'off_hours', hour, days }];
};

/** `earlier`: newest first. */
const checkBurst = (asking: Asking, earlier: readonly EarlierRequest[]): Unusual[] => {
  const window = BURST_MINUTES * 60_000;
  const start = asking.openedAt.getTime() - window;
  const before = earlier.filter(({ openedAt }) => openedAt.getTime() <= start);
  const count = earlier.length - before.length + 1;
  const oldest = before.at(-1);
  const usual =
    oldest === undefined ? 0 : before.length / Math.max(1, (start - oldest.openedAt.getTime()) / window);
  return count >= BURST_MIN && count > BURST_FACTOR * usual
    ? [{ kind: 'burst', count, minutes: BURST_MINUTES }]
    : [];
};

/** Compares a request with the earlier ones of its agent at its API, newest first. Pure. */
export const compareWithHistory = (asking: Asking, earlier: readonly EarlierRequest[]): Unusual[] => {
  const allowed = earlier.filter((request) => request.allowed);
  const burst = checkBurst(asking, earlier);
  if (earlier.length === 0) return [{ kind: 'first_time' }];
  if (allowed.length === 0) return [{ kind: 'never_allowed', attempts: earlier.length }, ...burst];
  const known = new Set(allowed.flatMap(({ scopes }) => scopes));
  const scopes = asking.scopes.filter((scope) => !known.has(scope));
  const longestBefore = Math.max(...allowed.map(({ grantSeconds }) => grantSeconds));
  return [
    ...(scopes.length === 0 ? [] : [{ kind: 'new_scope', scopes } as const]),
    ...(asking.grantSeconds <= longestBefore
      ? []
      : [{ kind: 'longer', seconds: asking.grantSeconds, longestBefore } as const]),
    ...checkHour(asking, allowed),
    ...burst,
  ];
};

/** The statement, for its plan to be tested. */
export const historyQuery = (request: { agentId: string; audience: string; requestId: string }) =>
  sql<EarlierRequest>`
    select h.scopes, (h.terms->>'grant_seconds')::int as "grantSeconds", h.opened_at as "openedAt",
      h.state in ('approved', 'permitted') as allowed
    from access_requests h
    where h.agent_id = ${request.agentId} and h.audience = ${request.audience}
      and h.opened_at <= (select r.opened_at from access_requests r where r.id = ${request.requestId})
      and h.id <> ${request.requestId}
    order by h.opened_at desc limit ${HISTORY_LENGTH}`;

/** What is unusual about the request, from what its agent did at that API before. */
export const findUnusual = async (database: Database, request: ApprovalRequest): Promise<Unusual[]> => {
  const { rows } = await historyQuery(request).execute(database.pages);
  const { scopes, grant_seconds: grantSeconds } = request.terms;
  return compareWithHistory({ scopes, grantSeconds, openedAt: request.openedAt }, rows);
};
