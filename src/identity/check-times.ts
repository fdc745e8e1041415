/** Whether an assertion is of the present moment: not over, not from the future, not older than any real one. Pure. */
import type { AssertionReason } from '../reasons/assertion.ts';

/** How far two clocks may be apart. */
const CLOCK_TOLERANCE_SECONDS = 30;
/** A managed identity's token lives a day, the longest of all. */
const ASSERTION_MAX_AGE_SECONDS = 24 * 3_600;

/** The reason against `exp`, `iat` and `nbf` (RFC 7519 sections 4.1.4 to 4.1.6) at `now`; null if there is none. */
export const checkTimes = (
  { exp, iat, nbf }: Readonly<Record<string, unknown>>,
  now: Date,
): { readonly reason: AssertionReason } | null => {
  const seconds = Math.floor(now.getTime() / 1000);
  if (typeof iat !== 'number' || typeof nbf !== 'number') return { reason: 'time' };
  if (nbf > seconds + CLOCK_TOLERANCE_SECONDS) return { reason: 'time' };
  if (typeof exp !== 'number' || exp <= seconds - CLOCK_TOLERANCE_SECONDS) return { reason: 'exp' };
  const age = seconds - iat;
  return age > ASSERTION_MAX_AGE_SECONDS + CLOCK_TOLERANCE_SECONDS || age < -CLOCK_TOLERANCE_SECONDS
    ? { reason: 'time' }
    : null;
};
