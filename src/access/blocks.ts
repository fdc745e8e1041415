/**
 * Kill switches. A block closes an agent, an API, an environment or everything: it commits first, together with the
 * line that has APIs refuse what was issued until then, and only then ends what was given, so that nothing is given
 * anew meanwhile.
 *
 * Against an exchange under way: its statement commits nothing once it sees the block's revision (`guard.ts`), but one
 * that began before the block's commit may still commit after it. So the end of what was given begins when every
 * transaction older than the block is over. No lock is waited for: of a busy agent's row there would always be another.
 */
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import { newBlockId } from '../ids.ts';
import { ENVIRONMENTS } from '../policy/rules.ts';
import { changeInForce } from '../registry/in-force.ts';
import { logRevocations } from '../revocation/revocation-log.ts';
import type { Database } from '../storage/database.ts';
import type { BlockKind, Tables } from '../storage/tables.ts';
import type { Author } from './author.ts';
import { endBlocked } from './end-blocked.ts';
import { isSignInTooOld } from './step-up.ts';

/** What is to be closed: `subject` is the agent's id, the audience, the environment; empty for `global`. */
export type Closing = {
  readonly kind: BlockKind;
  readonly subject: string;
  /** False: what was given is taken back, and the block lifts itself when that is done. */
  readonly lasting: boolean;
};

export type Block = Closing & {
  readonly id: string;
  readonly reason: string;
  readonly setBy: string;
  readonly setAt: Date;
  /** When all that it closes was ended; null: that is under way. */
  readonly sweptAt: Date | null;
  readonly liftedAt: Date | null;
  readonly liftedBy: string | null;
  readonly liftedReason: string | null;
};

type Transaction = Kysely<Tables>;

/** Whether there is such a thing to close. */
const isKnown = async (trx: Transaction, { kind, subject }: Closing): Promise<boolean> => {
  switch (kind) {
    case 'agent':
      return (await sql`select from agents where id = ${subject}`.execute(trx)).rows.length > 0;
    case 'audience':
      return (await sql`select from resources where audience = ${subject}`.execute(trx)).rows.length > 0;
    case 'environment':
      return ENVIRONMENTS.some((known) => known === subject);
    case 'global':
      return subject === '';
  }
};

/** The next revision of what is closed, and the second in which it begins; exchanges decided on another commit nothing. */
const nextRevision = async (trx: Transaction): Promise<Date> => {
  const { rows } = await sql<{ now: Date }>`
    update in_force set blocks_revision = blocks_revision + 1
    returning date_trunc('second', clock_timestamp()) as now`.execute(trx);
  const [row] = rows;
  if (row === undefined) throw new Error('the table in_force has lost its row');
  return row.now;
};

/**
 * Assertions up to now are believed no more where everything of an agent, or of all, is taken back: whoever stole one has
 * lost it. A lasting block keeps them out by itself, and when it is lifted agents go on with those that they have.
 */
const supersedeAssertions = async (
  trx: Transaction,
  { kind, subject, lasting }: Closing,
  now: Date,
): Promise<void> => {
  if (lasting) return;
  if (kind === 'agent') await sql`update agents set not_before = ${now} where id = ${subject}`.execute(trx);
  if (kind === 'global') await sql`update in_force set not_before = ${now}`.execute(trx);
};

/**
 * Closes, and ends what was given under it. `already`: a lasting block of the same is in force. Throws
 * `DatabaseUnavailable` when nobody can say whether it is; once it is closed, what is not ended yet is ended by the
 * sweeper of any replica.
 */
export const setBlock = async (
  database: Database,
  closing: Closing,
  { by, reason }: Author,
): Promise<{ readonly id: string } | 'unknown' | 'already'> => {
  const { kind, subject, lasting } = closing;
  const id = newBlockId();
  const done = await changeInForce(database, async (trx) => {
    if (!(await isKnown(trx, closing))) return 'unknown';
    const { rows } = await sql`select from blocks where ${lasting} and lasting and lifted_at is null
      and kind = ${kind} and subject = ${subject}`.execute(trx);
    if (rows.length > 0) return 'already';
    const now = await nextRevision(trx);
    await supersedeAssertions(trx, closing, now);
    await sql`insert into blocks (id, kind, subject, lasting, reason, set_by)
      values (${id}, ${kind}, ${subject}, ${lasting}, ${reason}, ${by})`.execute(trx);
    await appendEvents(trx, [
      {
        name: 'block.set',
        agentId: kind === 'agent' ? subject : null,
        data: { block: id, kind, subject, lasting, by, cause: reason },
      },
    ]);
    await logRevocations(trx, [{ kind, subject, until: now }]);
    return 'set';
  });
  if (done !== 'set') return done;
  await sweepBlocks(database, id);
  return { id };
};

type Unswept = Closing & { readonly id: string; readonly reason: string; readonly by: string };

/** Ends what unfinished blocks close: of one block, or of all that somebody left unfinished. */
export const sweepBlocks = async (database: Database, id: string | null = null): Promise<void> => {
  const { rows } = await sql<Unswept>`
    select id, kind, subject, lasting, reason, set_by as "by" from blocks
    where swept_at is null and lifted_at is null and id = coalesce(${id}, id) order by set_at`.execute(
    database.db,
  );
  for (const block of rows) {
    await endBlocked(database, block);
    await changeInForce(database, async (trx) => {
      const { rows: swept } = await sql`update blocks set swept_at = clock_timestamp(),
        lifted_at = case when lasting then null else clock_timestamp() end
        where id = ${block.id} and swept_at is null returning id`.execute(trx);
      if (swept.length > 0 && !block.lasting) await nextRevision(trx);
    });
  }
};

/** Who opens again what was closed. */
export type BlockLifter = Author & {
  /** When the person's roles were read; null at the command line, for which the database's password speaks. */
  readonly signedInAt: Date | null;
};

/**
 * Opens again what a lasting block closed. What it ended stays ended. To close is safe on roles that may be gone, as old as
 * a session gets; to open again is not. Throws `DatabaseUnavailable`.
 */
export const liftBlock = async (
  database: Database,
  id: string,
  { by, reason, signedInAt }: BlockLifter,
): Promise<'lifted' | 'unknown' | 'over' | 'roles_stale'> => {
  await sweepBlocks(database, id);
  return changeInForce(database, async (trx) => {
    const { rows } = await sql<{ kind: BlockKind; subject: string; open: boolean; now: Date }>`
      select kind, subject, lifted_at is null as open, clock_timestamp() as now
      from blocks where id = ${id}`.execute(trx);
    const [block] = rows;
    if (block === undefined) return 'unknown';
    if (!block.open) return 'over';
    if (signedInAt !== null && isSignInTooOld({ signedInAt }, block.now)) return 'roles_stale';
    await sql`update blocks set lifted_at = clock_timestamp(), lifted_by = ${by}, lifted_reason = ${reason}
      where id = ${id}`.execute(trx);
    await nextRevision(trx);
    const { kind, subject } = block;
    await appendEvents(trx, [
      {
        name: 'block.lifted',
        agentId: kind === 'agent' ? subject : null,
        data: { block: id, kind, subject, by, cause: reason },
      },
    ]);
    return 'lifted';
  });
};

/** Blocks, the newest first: those in force, or the last two hundred there were. */
export const listBlocks = async (
  database: Pick<Database, 'pages'>,
  { open }: { readonly open: boolean },
): Promise<Block[]> => {
  const { rows } = await sql<Block>`
    select id, kind, subject, lasting, reason, set_by as "setBy", set_at as "setAt", swept_at as "sweptAt",
      lifted_at as "liftedAt", lifted_by as "liftedBy", lifted_reason as "liftedReason"
    from blocks where not ${open} or lifted_at is null order by lifted_at is null desc, set_at desc, id limit 200`.execute(
    database.pages,
  );
  return rows;
};
