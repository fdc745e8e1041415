import { loadStorageSettings } from '../config.ts';
import type { Database } from '../storage/database.ts';
import { reachStorage } from '../storage/open-storage.ts';
import type { CommandIo } from './command.ts';

/** Does the work on the configured database, and lets go of it again. */
export const withDatabase = async <T>(
  { environment, logger }: Pick<CommandIo, 'environment' | 'logger'>,
  work: (database: Database) => Promise<T>,
): Promise<T> => {
  const storage = await reachStorage(loadStorageSettings(environment), logger);
  try {
    return await work(storage.database);
  } finally {
    await storage.stop();
  }
};
