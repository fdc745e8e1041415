/** From where the data is configured to live to an open, migrated database: for the broker, and for commands beside it. */
import type { Logger } from 'pino';
import { type Database, openDatabase } from './database.ts';
import { joinEmbedded, startEmbedded } from './embedded.ts';
import { APPLICATION_ROLE } from './embedded-cluster.ts';
import { isMigrated, migrate, roleOf } from './migrate.ts';
import { findWeaknesses } from './privileges.ts';

export type StorageSettings =
  | { readonly kind: 'embedded'; readonly directory: string }
  | {
      readonly kind: 'postgres';
      readonly dsn: string;
      /** The owner role's, where it is given; a broker need not hold it once `countersign migrate` has run. */
      readonly ownerDsn: string | null;
    };

export type Storage = {
  readonly database: Database;
  /** What the database's roles weaken, a sentence each, for /readyz. */
  readonly weaknesses: readonly string[];
  /** Closes every connection and ends the embedded database if this started it. */
  readonly stop: () => Promise<void>;
};

const open = async (dsn: string, logger: Logger, stopServer: () => Promise<void>): Promise<Storage> => {
  const database = await openDatabase({ dsn, logger });
  const stop = async (): Promise<void> => {
    await database.close();
    await stopServer();
  };
  try {
    if (!(await isMigrated(database.db))) {
      throw new Error(
        'the database lacks migrations of this version and COUNTERSIGN_DATABASE may not make them: run "countersign migrate" with COUNTERSIGN_DATABASE_OWNER',
      );
    }
    return { database, weaknesses: await findWeaknesses(database.db), stop };
  } catch (error) {
    await database.close();
    throw error;
  }
};

const openPostgres = async (dsn: string, ownerDsn: string | null, logger: Logger): Promise<Storage> => {
  const settled = async (): Promise<void> => undefined;
  if (ownerDsn !== null) {
    await migrate(ownerDsn, { applicationRole: roleOf(dsn) });
    return open(dsn, logger, settled);
  }
  const probe = await openDatabase({ dsn, logger });
  const migrated = await isMigrated(probe.db).finally(() => probe.close());
  if (!migrated) await migrate(dsn, { applicationRole: roleOf(dsn) });
  return open(dsn, logger, settled);
};

/**
 * Starts the embedded database where it is configured, migrates and opens. Throws `DatabaseUnavailable` or an error
 * of one line that says what to do; nothing is left running then.
 */
export const openStorage = async (settings: StorageSettings, logger: Logger): Promise<Storage> => {
  if (settings.kind === 'postgres') return openPostgres(settings.dsn, settings.ownerDsn, logger);
  const embedded = await startEmbedded(settings.directory, logger);
  try {
    await migrate(embedded.ownerDsn, { applicationRole: APPLICATION_ROLE });
    return await open(embedded.applicationDsn, logger, embedded.stop);
  } catch (error) {
    await embedded.stop();
    throw error;
  }
};

/** The same for a command: a running broker's embedded database is joined, and left running at the end. */
export const reachStorage = async (settings: StorageSettings, logger: Logger): Promise<Storage> => {
  const running = settings.kind === 'embedded' ? await joinEmbedded(settings.directory) : null;
  return running === null
    ? openStorage(settings, logger)
    : open(running.applicationDsn, logger, async () => undefined);
};
