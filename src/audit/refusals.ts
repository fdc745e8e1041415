/**
 * Refusals are told without letting anybody flood the trail: the first of its kind is written at once, equal ones
 * within the same minute are counted and written as one event with `count` when the minute is over. Only counts can
 * be lost in a crash, never a kind of refusal.
 */
import type { Logger } from 'pino';
import type { Database } from '../storage/database.ts';
import { appendEvents } from './append.ts';
import type { AuditEvent } from './event.ts';

/** How long equal refusals are counted in one. */
const REFUSAL_WINDOW_MS = 60_000;
/** Kinds counted at the same time; beyond it new kinds of an agent share one entry, and those of strangers one. */
const REFUSAL_KINDS_MAX = 10_000;

export type Refusals = {
  /**
   * Tells a refusal. `kind` is what makes two equal; `events` go with the first, the last of them is repeated with
   * the count. Answers with the request id that the first of its kind was told under.
   */
  readonly tell: (kind: string, events: readonly AuditEvent[]) => Promise<string | null>;
  /** Writes the counts that are still open. */
  readonly stop: () => Promise<void>;
};

type Window = {
  readonly told: Promise<void>;
  readonly event: AuditEvent;
  readonly since: number;
  count: number;
};

export const openRefusals = (database: Database, logger: Logger, kindsMax = REFUSAL_KINDS_MAX): Refusals => {
  const windows = new Map<string, Window>();

  const flush = async (before: number): Promise<void> => {
    const counted: AuditEvent[] = [];
    for (const [kind, window] of windows) {
      if (window.since > before) continue;
      windows.delete(kind);
      if (window.count > 0) {
        const data = {
          ...window.event.data,
          count: window.count,
          since: new Date(window.since).toISOString(),
        };
        counted.push({ ...window.event, data });
      }
    }
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
      const isCounted = windows.size < kindsMax || windows.has(kind);
      const key = isCounted ? kind : `${event.name} ${event.agentId ?? ''}`;
      const open = windows.get(key);
      if (open !== undefined && Date.now() - open.since < REFUSAL_WINDOW_MS) {
        open.count += 1;
        await open.told;
        return open.event.requestId ?? null;
      }
      // Nothing is awaited before the new window stands: who comes at the same instant is counted in it.
      const closed = open === undefined ? Promise.resolve() : flush(Date.now() - REFUSAL_WINDOW_MS);
      const told = closed.then(() => appendEvents(database.db, events));
      windows.set(key, { told, event, since: Date.now(), count: 0 });
      try {
        await told;
      } catch (error) {
        windows.delete(key);
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
