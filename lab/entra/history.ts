/** What was asked of the stand-in, so that tests can tell who fetched what and how often. */
import type { Middleware } from 'koa';

export type HistoryEntry = {
  /** When the request arrived, RFC 3339. */
  readonly at: string;
  readonly method: string;
  /** Without the query, which may carry codes. */
  readonly path: string;
  /** HTTP status; null while there is no answer, and for good when the client went away first. */
  status: number | null;
};

export type History = { readonly entries: () => readonly HistoryEntry[]; readonly record: Middleware };

/** A long test's worth; the oldest entries go first. */
const MAX_ENTRIES = 20_000;

/** Begins an empty history. Its own management calls are no part of it. */
export const createHistory = (): History => {
  let entries: HistoryEntry[] = [];
  return {
    entries: () => entries,
    record: (ctx, next) => {
      if (ctx.path.startsWith('/lab/')) return next();
      const entry: HistoryEntry = {
        at: new Date().toISOString(),
        method: ctx.method,
        path: ctx.path,
        status: null,
      };
      entries.push(entry);
      if (entries.length > MAX_ENTRIES) entries = entries.slice(-MAX_ENTRIES / 2);
      ctx.res.once('finish', () => {
        entry.status = ctx.res.statusCode;
      });
      return next();
    },
  };
};
