/** Waiting for a fact instead of for some time. */
import { setTimeout as pause } from 'node:timers/promises';

/** What `find` finds as soon as it finds anything; the test's own time limit ends it. */
export const until = async <T>(find: () => Promise<T | undefined>): Promise<T> => {
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    await pause(20);
  }
};
