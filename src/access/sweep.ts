/** Ends what nobody asks about any more. Correctness never waits for it: every read compares times itself. */
import { sql } from 'kysely';
import type { Logger } from 'pino';
import { forgetRevocations } from '../revocation/revocation-log.ts';
import type { Database } from '../storage/database.ts';
import { sweepBlocks } from './blocks.ts';
import { expireGrants, expireRequests, lapseGrants } from './end.ts';
import { forgetAssertions } from './opened-assertions.ts';
import { forgetProofs } from './used-proofs.ts';

/** How often a replica looks; late by that much is only late in the lists and the trail. */
const SWEEP_INTERVAL_MS = 1_000;
/** Rows of a kind ended in one look, so that a backlog never holds the pool. */
const SWEEP_BATCH = 1_000;

type Due = {
  kind: 'request' | 'expired' | 'lapsed';
  requestId: string;
  agentId: string;
  grantId: string | null;
};

const findDue = async (database: Database): Promise<Due[]> => {
  const { rows } = await sql<Due>`
    (select 'request' as kind, id as "requestId", agent_id as "agentId", null as "grantId" from access_requests
      where state = 'pending' and expires_at <= now() order by expires_at limit ${SWEEP_BATCH})
    union all
    (select case state when 'offered' then 'lapsed' else 'expired' end, request_id, agent_id, id from grants
      where state <> 'ended' and approved_until <= now() order by approved_until limit ${SWEEP_BATCH})
    union all
    (select 'lapsed', request_id, agent_id, id from grants
      where state = 'offered' and pickup_until <= now() and approved_until > now() limit ${SWEEP_BATCH})`.execute(
    database.db,
  );
  return rows;
};

const ENDERS = { request: expireRequests, expired: expireGrants, lapsed: lapseGrants } as const;

/** Ends everything that is due now, and forgets what only mattered for a while. Returns how many rows this call moved. */
export const sweep = async (database: Database): Promise<number> => {
  await forgetProofs(database.db);
  await forgetAssertions(database.db);
  await forgetRevocations(database);
  const due = await findDue(database);
  let moved = 0;
  for (const kind of ['request', 'expired', 'lapsed'] as const) {
    const ofKind = due.filter((ending) => ending.kind === kind);
    if (ofKind.length > 0) moved += await ENDERS[kind](database, ofKind);
  }
  await sweepBlocks(database);
  return moved;
};

/** Sweeps until stopped; one look at a time, an outage is retried at the next. */
export const startSweeper = (database: Database, logger: Logger): { readonly stop: () => Promise<void> } => {
  let stopped = false;
  let looking: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout;
  const look = async (): Promise<void> => {
    try {
      await sweep(database);
    } catch (error) {
      logger.warn({ err: error }, 'sweep failed; retried');
    }
    if (!stopped) schedule();
  };
  const schedule = (): void => {
    timer = setTimeout(() => {
      looking = look();
    }, SWEEP_INTERVAL_MS);
  };
  schedule();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
};
