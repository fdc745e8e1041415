/** Locks that somebody holds, and those who wait for them. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { type Database, openDatabase } from '../../src/storage/database.ts';

/**
 * Whatever is done while nobody else can have `table`: whoever needs it meets the end of his patience, as with a database
 * that is out of reach.
 */
export const whileLocked = async (
  ownerDsn: string,
  table: string,
  work: () => Promise<void>,
): Promise<void> => {
  const owner = await openDatabase({ dsn: ownerDsn, logger: pino({ enabled: false }) });
  try {
    await owner.db.transaction().execute(async (trx) => {
      await sql`lock table ${sql.table(table)} in access exclusive mode`.execute(trx);
      await work();
    });
  } finally {
    await owner.close();
  }
};

/** Resolves once so many at least wait for a lock in this database. */
export const untilWaiting = async ({ db }: Pick<Database, 'db'>, count = 1): Promise<void> => {
  for (;;) {
    const { rows } = await sql`select from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database()`.execute(db);
    if (rows.length >= count) return;
  }
};
