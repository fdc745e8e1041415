/** `Prefer: wait=N` (RFC 7240 section 4.3): how long a client is ready to be held. */

/** Proxies and clients give up on requests that take much longer. */
export const PREFERRED_WAIT_MAX_SECONDS = 30;

/** A preference, not what is behind the semicolon of another one. */
const WAIT = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i;

/** Whole seconds, at most `PREFERRED_WAIT_MAX_SECONDS`; null where the client prefers none. */
export const preferredWaitSeconds = (prefer: string): number | null => {
  const seconds = WAIT.exec(prefer)?.[1];
  return seconds === undefined ? null : Math.min(Number(seconds), PREFERRED_WAIT_MAX_SECONDS);
};
