import { DatabaseUnavailable } from '../../src/storage/database.ts';

/** A sweep of another sequence may hold a row for longer than a statement waits. */
export const onceUnlocked = async (work: () => Promise<unknown>): Promise<void> => {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error;
    }
  }
};
