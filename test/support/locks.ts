/** A table that stalls: whoever needs it meets the end of his patience, as with a database that is out of reach. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { openDatabase } from '../../src/storage/database.ts';

/** Whatever is done while nobody else can have `table`. */
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
