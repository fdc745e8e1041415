/**
 * Outages are met by every request at once, and some can be brought about by whoever sends many: so the first of a kind
 * is logged as it comes, equal ones of the next minute in one line with their count.
 */
import type { Logger } from 'pino';

const WINDOW_MS = 60_000;

/** Logs that a request was answered 503 for `error`; `about` goes with the first of its kind. */
export type OutageLog = (error: unknown, about: object) => void;

export const openOutageLog = (logger: Logger): OutageLog => {
  const more = new Map<string, number>();
  return (error, about) => {
    const name = error instanceof Error ? error.name : 'unknown';
    const count = more.get(name);
    if (count !== undefined) {
      more.set(name, count + 1);
      return;
    }
    more.set(name, 0);
    logger.warn({ ...about, err: error }, 'answered 503: something that must hold is unavailable');
    const tellCount = (): void => {
      const counted = more.get(name);
      more.delete(name);
      if (counted) logger.warn({ error: name, count: counted }, 'answered 503 for the same within a minute');
    };
    setTimeout(tellCount, WINDOW_MS).unref();
  };
};
