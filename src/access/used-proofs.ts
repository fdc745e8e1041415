/**
 * Each proof of possession is good once. Its row is written by the very statement that opens or delivers, so that it
 * costs no round trip of its own and no replica can miss it: a proof that was used before violates the key, and
 * then the whole statement writes nothing. A statement that was merely overtaken leaves the proof unused.
 */
import { type Kysely, sql } from 'kysely';
import type { Database, Statement } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';

/** Longer than a proof can pass as fresh on any replica, whatever their clocks. */
const KEPT_SECONDS = 300;
/** Rows removed in one look, so that a backlog never holds the pool. */
const SWEEP_BATCH = 10_000;

const ONCE = 'used_proofs_once';

/** Part of a statement that marks the proof `digest` of each row of `source` as used; locks are taken in one order. */
export const spendFrom = (source: string, digest: string): string => `
spent as (insert into used_proofs (digest) select ${digest} from ${source} order by 1)`;

const SPEND: Statement = { name: 'spend-proof', text: 'insert into used_proofs (digest) values ($1)' };

/** Marks a proof as used where nothing else is written. Throws what `isReplay` recognizes if it was used before. */
export const spendProof = async (database: Database, digest: string): Promise<void> => {
  await database.query(SPEND, [digest]);
};

/** Whether a statement failed because its proof was used before. */
export const isReplay = (error: unknown): boolean =>
  error instanceof Error && 'constraint' in error && error.constraint === ONCE;

/** Forgets proofs that are too old to pass. */
export const forgetProofs = async (db: Kysely<Tables>): Promise<void> => {
  await sql`delete from used_proofs where digest in (
    select digest from used_proofs where used_at < now() - make_interval(secs => ${KEPT_SECONDS})
    order by used_at limit ${SWEEP_BATCH})`.execute(db);
};
