/**
 * Refusals are told without letting anybody flood the trail: the first of its kind is written at once, equal ones
 * within the same minute are counted and written as one event with `count` when the minute is over. Only counts can
 * be lost in a crash, never a kind of refusal. Whoever varies what is refused gets no further: each source, an agent
 * or a network of strangers, has so many kinds a minute, strangers together have so many, and what is beyond is
 * counted by its reason and API alone (`varied`). So a flood of one hides nothing of another.
 */
import type { Logger } from 'pino';
import { codeMemberOf } from '../reasons/catalogue.ts';
import type { Database } from '../storage/database.ts';
import { appendEvents } from './append.ts';
import type { AuditEvent, JsonObject } from './event.ts';

/** How long equal refusals are counted in one. */
const REFUSAL_WINDOW_MS = 60_000;

/** How many kinds are told apart at the same time. */
export type RefusalLimits = {
  /** Of one agent: more than its rate limits let it have by default, so that it hides nothing of its own. */
  readonly ofAgent: number;
  /** Of one network: more than any honest mistake makes in a minute. */
  readonly ofNetwork: number;
  /** Of all networks together: a botnet's refusals then cost some thirty rows a second. */
  readonly ofStrangers: number;
};

const LIMITS: RefusalLimits = { ofAgent: 256, ofNetwork: 32, ofStrangers: 1_000 };

export type Refusals = {
  /**
   * Tells a refusal. `kind` is what makes two of one source equal; `events` go with the first, the last of them is
   * repeated with the count. Its source is its agent, or else its `network`. Answers with the request id that the
   * first of its kind was told under.
   */
  readonly tell: (kind: string, events: readonly AuditEvent[]) => Promise<string | null>;
  /** Writes the counts that are still open. */
  readonly stop: () => Promise<void>;
};

export type RefusalsOptions = {
  readonly limits?: RefusalLimits;
  /** Sees each refusal, also those that are only counted. */
  readonly observe?: (event: AuditEvent) => void;
};

type Place = {
  readonly key: string;
  /** Whose share of kinds it takes; null: nobody's, of these there are only as many as there are reasons. */
  readonly source: string | null;
  /** What the counted ones have in common; null: everything. */
  readonly common: readonly string[] | null;
};

type Window = Place & {
  readonly told: Promise<void>;
  readonly event: AuditEvent;
  readonly since: number;
  count: number;
};

const STRANGERS = 'strangers';

const picked = (data: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(data).filter(([name]) => names.includes(name)));

const countOf = ({ event, common, count, since }: Window): AuditEvent => ({
  ...event,
  data: {
    ...(common === null ? event.data : { ...picked(event.data, common), varied: true }),
    count,
    since: new Date(since).toISOString(),
  },
});

export const openRefusals = (
  database: Database,
  logger: Logger,
  { limits = LIMITS, observe = () => undefined }: RefusalsOptions = {},
): Refusals => {
  const windows = new Map<string, Window>();
  const kinds = new Map<string, number>();

  const take = (source: string, change: number): void => {
    const left = (kinds.get(source) ?? 0) + change;
    if (left > 0) kinds.set(source, left);
    else kinds.delete(source);
  };
  const changeShare = ({ source, event }: Window, change: number): void => {
    if (source === null) return;
    take(source, change);
    if (!event.agentId) take(STRANGERS, change);
  };
  const close = (window: Window): void => {
    if (windows.get(window.key) !== window) return;
    windows.delete(window.key);
    changeShare(window, -1);
  };

  /** Where a refusal is counted: as its own kind while its source and strangers as a whole have some left. */
  const placeOf = (kind: string, event: AuditEvent): Place => {
    const { agentId, name, data } = event;
    const isKnown = agentId !== undefined && agentId !== null;
    const source = isKnown ? `agent ${agentId}` : `network ${data.network ?? ''}`;
    const own = { key: `${source} ${kind}`, source, common: null };
    if (windows.has(own.key)) return own;
    const hasRoom = isKnown || (kinds.get(STRANGERS) ?? 0) < limits.ofStrangers;
    const kindsMax = isKnown ? limits.ofAgent : limits.ofNetwork;
    if (hasRoom && (kinds.get(source) ?? 0) < kindsMax) return own;
    const code = codeMemberOf(name);
    const shared = {
      key: `${name} ${data[code]} ${source} ${data.audience ?? ''}`,
      source: null,
      common: [code, 'decision', 'network', 'audience'],
    };
    if (isKnown || windows.has(shared.key)) return shared;
    return hasRoom
      ? { ...shared, source: `${source} beyond` }
      : { key: `${name} ${data[code]}`, source: null, common: [code] };
  };

  const flush = async (before: number): Promise<void> => {
    const over = [...windows.values()].filter(({ since }) => since <= before);
    for (const window of over) close(window);
    const counted = over.filter(({ count }) => count > 0).map(countOf);
    try {
      await appendEvents(database.db, counted);
    } catch (error) {
      logger.error({ err: error, refusals: counted.length }, 'counts of refusals could not be written');
    }
  };

  const timer = setInterval(() => void flush(Date.now() - REFUSAL_WINDOW_MS), REFUSAL_WINDOW_MS / 12);
  timer.unref();

  return {
    tell: async (kind, events) => {
      const event = events.at(-1);
      if (event === undefined) throw new Error('a refusal needs an event');
      observe(event);
      const now = Date.now();
      const place = placeOf(kind, event);
      const open = windows.get(place.key);
      if (open !== undefined && now - open.since < REFUSAL_WINDOW_MS) {
        open.count += 1;
        await open.told;
        return open.event.requestId ?? null;
      }
      // Nothing is awaited before the new window stands: who comes at the same instant is counted in it.
      const closed = open === undefined ? Promise.resolve() : flush(now - REFUSAL_WINDOW_MS);
      const told = closed.then(() => appendEvents(database.db, events));
      const window = { ...place, told, event, since: now, count: 0 };
      windows.set(place.key, window);
      changeShare(window, 1);
      try {
        await told;
      } catch (error) {
        close(window);
        throw error;
      }
      return event.requestId ?? null;
    },
    stop: async () => {
      clearInterval(timer);
      await flush(Number.POSITIVE_INFINITY);
    },
  };
};
