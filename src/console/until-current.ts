/** What depends on registry or policy is done on the revisions in force, or not at all. */
import type { ConsoleParts } from './console-parts.ts';

/** A revision that moves is caught up with; more often than this in a row something else is wrong. */
const ATTEMPTS = 5;

/** Who may do it cannot be told: it was not done, and nothing was changed. */
class DecisionUnavailable extends Error {
  override readonly name = 'DecisionUnavailable';
  readonly retryAfterSeconds = 1;
}

/**
 * Attempts until one is not overtaken; `attempt` says false if registry or policy moved meanwhile and nothing was done.
 * Throws what is answered with 503 if that never ends.
 */
export const untilCurrent = async (parts: ConsoleParts, attempt: () => Promise<boolean>): Promise<void> => {
  for (let count = 0; count < ATTEMPTS; count += 1) {
    if (await attempt()) return;
    try {
      await parts.catchUp();
    } catch (cause) {
      throw new DecisionUnavailable('the revisions in force could not be loaded', { cause });
    }
  }
  throw new DecisionUnavailable('the decision was overtaken too often');
};
