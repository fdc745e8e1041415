/**
 * How a replica keeps up with what is in force: it looks, four times a second, and loads what is new. A change that
 * cannot be taken over (database away, bundle refused) leaves the last good one in place and is tried again with the
 * next look; an exchange decided on it commits nothing, because its statement compares the revisions.
 */
import type { Logger } from 'pino';
import { oneAtATime } from '../one-at-a-time.ts';
import type { Database, Statement } from '../storage/database.ts';
import { type Closings, loadClosings } from './closings.ts';
import { loadRegistry } from './load-registry.ts';
import { loadActiveBundle } from './policy-revisions.ts';
import type { Registry } from './registry.ts';

const LOOK: Statement = {
  name: 'look-at-in-force',
  text: 'select registry_revision, policy_revision, blocks_revision from in_force',
};

type InForce = {
  readonly registry_revision: number;
  readonly policy_revision: string | null;
  readonly blocks_revision: number;
};

export type Follower = {
  /** Looks now and takes over what is new. Rejects if that fails; a look that began earlier does not count. */
  readonly catchUp: () => Promise<void>;
  /** Ends the following; resolves when nothing of it runs any more. */
  readonly stop: () => Promise<void>;
};

type Following = {
  readonly database: Database;
  /** Time between two looks, milliseconds. */
  readonly intervalMs: number;
  /** Takes a registry over; called first with the one in force at the start, which may be empty (revision 0). */
  readonly onRegistry: (registry: Registry) => void | Promise<void>;
  /** Takes over what is closed. */
  readonly onClosings: (closings: Closings) => void;
  /** Takes a policy bundle over; never called as long as none was ever activated. */
  readonly onPolicy: (bundle: Uint8Array, revision: string) => void | Promise<void>;
  readonly logger: Logger;
};

/** Starts following; the first look is under way when this returns, and `catchUp` waits for one. */
export const followRevisions = ({
  database,
  intervalMs,
  onRegistry,
  onPolicy,
  onClosings,
  logger,
}: Following): Follower => {
  let registryRevision: number | null = null;
  let policyRevision: string | null = null;
  let blocksRevision: number | null = null;
  let stopped = false;
  let failure: string | null = null;
  let timer: NodeJS.Timeout | undefined;

  const takeRegistry = async (seen: number): Promise<void> => {
    if (seen === registryRevision) return;
    const registry = await loadRegistry(database);
    await onRegistry(registry);
    registryRevision = registry.revision;
    logger.info({ registry_revision: registryRevision }, 'registry taken over');
  };
  const takePolicy = async (seen: string | null): Promise<void> => {
    if (seen === policyRevision) return;
    const active = await loadActiveBundle(database);
    if (active === null) throw new Error(`the policy bundle ${seen} is missing`);
    await onPolicy(active.bundle, active.revision);
    policyRevision = active.revision;
    logger.info({ policy_revision: policyRevision }, 'policy taken over');
  };
  const takeClosings = async (seen: number): Promise<void> => {
    if (seen === blocksRevision) return;
    const closings = await loadClosings(database);
    onClosings(closings);
    blocksRevision = closings.revision;
    logger.info({ blocks_revision: blocksRevision }, 'blocks taken over');
  };
  /** Neither waits for the other: a registry that cannot be read does not keep a stricter policy out. */
  const takeOver = async (): Promise<void> => {
    const [seen] = await database.query<InForce>(LOOK, []);
    if (seen === undefined) throw new Error('the table in_force has lost its row');
    const taken = await Promise.allSettled([
      takeRegistry(seen.registry_revision),
      takePolicy(seen.policy_revision),
      takeClosings(seen.blocks_revision),
    ]);
    const failed = taken.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  };

  const look = oneAtATime(async () => {
    if (stopped) throw new Error('no longer following what is in force');
    try {
      await takeOver();
      if (failure !== null) logger.info('following what is in force again');
      failure = null;
    } catch (err) {
      if (String(err) !== failure)
        logger.error({ err }, 'cannot take over what is in force; the last good revisions stay');
      failure = String(err);
      throw err;
    }
  });
  const poll = async (): Promise<void> => {
    await look().catch(() => undefined);
    if (!stopped) timer = setTimeout(poll, intervalMs);
  };
  void poll();
  return {
    catchUp: look,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await look().catch(() => undefined);
    },
  };
};
