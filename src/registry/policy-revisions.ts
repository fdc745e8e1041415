/**
 * The policy bundles of the database: every one that was ever active stays, so that any decision of the past can be
 * evaluated again. A bundle is opaque here; whoever activates it has had the policy engine load it before.
 */
import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import { type ChangeNote, changeInForce } from './in-force.ts';

/** A bundle and the revision it is known by. */
export type ActiveBundle = { readonly revision: string; readonly bundle: Uint8Array };

export type ActivatedPolicy = {
  readonly revision: string;
  /** The revision in force before; null: none. */
  readonly previous: string | null;
  /** False: it was in force already and nothing was written. */
  readonly activated: boolean;
};

/** Keeps a bundle under its revision. Throws if other bytes have that revision already. */
export const storeBundle = async (
  db: Kysely<Tables>,
  bundle: Uint8Array,
  revision: string,
): Promise<void> => {
  const bytes = Buffer.from(bundle);
  await db
    .insertInto('policy_revisions')
    .values({ revision, bundle: bytes })
    .onConflict((conflict) => conflict.column('revision').doNothing())
    .execute();
  const stored = await db
    .selectFrom('policy_revisions')
    .select('bundle')
    .where('revision', '=', revision)
    .executeTakeFirstOrThrow();
  if (!stored.bundle.equals(bytes))
    throw new Error(
      `Another policy bundle has the revision ${revision} already: build it again with one of its own`,
    );
};

const policyInForce = async (db: Kysely<Tables>): Promise<string | null> => {
  const row = await db.selectFrom('in_force').select('policy_revision').executeTakeFirstOrThrow();
  return row.policy_revision;
};

const activate = async (
  transaction: Kysely<Tables>,
  { bundle, revision, reason, appliedBy }: ChangeNote & ActiveBundle,
): Promise<ActivatedPolicy> => {
  await storeBundle(transaction, bundle, revision);
  const previous = await policyInForce(transaction);
  if (previous === revision) return { revision, previous, activated: false };
  await transaction.updateTable('in_force').set({ policy_revision: revision }).execute();
  await appendEvents(transaction, [
    {
      name: 'policy.activated',
      data: {
        policy_revision: revision,
        previous_revision: previous,
        bundle_digest: createHash('sha256').update(bundle).digest('hex'),
        reason,
        applied_by: appliedBy,
      },
    },
  ]);
  return { revision, previous, activated: true };
};

/**
 * Puts a bundle that the policy engine has accepted in force, on every replica. Going back to an earlier revision is
 * the same. Activating what is active writes nothing.
 */
export const activatePolicy = (
  database: Database,
  bundle: Uint8Array,
  revision: string,
  note: ChangeNote,
): Promise<ActivatedPolicy> =>
  changeInForce(database, (transaction) => activate(transaction, { ...note, bundle, revision }));

/** The same, but only where no policy was ever active; null: there is one, nothing was changed. */
export const activateIfNone = (
  database: Database,
  bundle: Uint8Array,
  revision: string,
  note: ChangeNote,
): Promise<ActivatedPolicy | null> =>
  changeInForce(database, async (transaction) =>
    (await policyInForce(transaction)) === null ? activate(transaction, { ...note, bundle, revision }) : null,
  );

/** The bundle in force, for the policy engine to load; null: none was ever activated. */
export const loadActiveBundle = async (database: Database): Promise<ActiveBundle | null> => {
  const row = await database.db
    .selectFrom('in_force')
    .innerJoin('policy_revisions', 'policy_revisions.revision', 'in_force.policy_revision')
    .select(['policy_revisions.revision', 'policy_revisions.bundle'])
    .executeTakeFirst();
  return row ?? null;
};
