/**
 * The convention between whatever can be down (database, keys, policy) and the edges: an error that carries
 * `retryAfterSeconds` means that nothing was decided and nothing was issued, and that asking again may help.
 * Recognised by shape, so that storage, identity and policy need not know the HTTP side.
 */

/** Whole seconds for `Retry-After` if `error` is such an outage, else null. */
export const retryAfterSecondsOf = (error: unknown): number | null =>
  error instanceof Error && 'retryAfterSeconds' in error && typeof error.retryAfterSeconds === 'number'
    ? Math.max(1, Math.ceil(error.retryAfterSeconds))
    : null;
