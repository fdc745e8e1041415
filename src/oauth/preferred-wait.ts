/** A client that would rather wait for a decision than come again (RFC 7240 section 4.3). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { preferredWaitSeconds } from '../http/preferred-wait.ts';
import type { Pause } from '../http/slots.ts';

export type PreferredWait = {
  readonly seconds: number;
  /** Aborted when the client has gone away. */
  readonly gone: AbortSignal;
  /** Waits, without being work under way. */
  readonly pause: Pause;
  /** How long it was let wait, milliseconds; null: it was not. */
  readonly waitedMs: () => number | null;
};

/** Null: the client wants its answer at once. `pause` leaves the place of the exchange to others meanwhile. */
export const openPreferredWait = (
  request: IncomingMessage,
  response: ServerResponse,
  pause: Pause,
): PreferredWait | null => {
  const seconds = preferredWaitSeconds(String(request.headers.prefer ?? '')) ?? 0;
  if (seconds === 0) return null;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let waitedMs: number | null = null;
  return {
    seconds,
    gone: gone.signal,
    waitedMs: () => waitedMs,
    pause: async (waiting) => {
      const began = performance.now();
      try {
        return await pause(waiting);
      } finally {
        waitedMs = performance.now() - began;
      }
    },
  };
};
