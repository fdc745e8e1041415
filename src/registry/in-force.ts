/**
 * The one row that says which registry and which policy are in force. Changes of it come one after the other; what
 * an exchange was decided on is compared with it when the exchange commits.
 */
import { type Kysely, sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';

/** Who changes what is in force and why, as they say it: recorded as claimed, not as proven. */
export type ChangeNote = { readonly reason: string; readonly appliedBy: string };

/** Above that of an exchange, which this waits for; below the client's deadline for one statement. */
const LOCK_TIMEOUT = sql`set local lock_timeout = '1200ms'`;

/**
 * Runs `change` in a transaction that holds `in_force` against every other change. What it reads, it reads after
 * the lock, in statements of its own: the locking statement has the snapshot of before it waited.
 */
export const changeInForce = <Result>(
  database: Database,
  change: (transaction: Kysely<Tables>) => Promise<Result>,
): Promise<Result> =>
  database.db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (transaction) => {
      await LOCK_TIMEOUT.execute(transaction);
      await sql`select from in_force for update`.execute(transaction);
      return change(transaction);
    });
