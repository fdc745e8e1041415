/** Ends what nobody asks about any more. Correctness never waits for it: every read compares times itself. */
import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { Database } from '../storage/database.ts';
import { endGrant, expireRequest } from './end.ts';

/** How often a replica looks; late by that much is only late in the lists and the trail. */
const SWEEP_INTERVAL_MS = 1_000;
/** Rows ended in one look, so that a backlog never holds the pool. */
const SWEEP_BATCH = 100;

type Due = { kind: 'request' | 'expired' | 'lapsed'; id: string; request_id: string; agent_id: string };

const findDue = async (database: Database): Promise<Due[]> => {
  const { rows } = await sql<Due>`
    (select 'request' as kind, id, id as request_id, agent_id from access_requests
      where state = 'pending' and expires_at <= now() order by expires_at limit ${SWEEP_BATCH})
    union all
    (select case state when 'offered' then 'lapsed' else 'expired' end, id, request_id, agent_id from grants
      where state <> 'ended' and approved_until <= now() order by approved_until limit ${SWEEP_BATCH})
    union all
    (select 'lapsed', id, request_id, agent_id from grants
      where state = 'offered' and pickup_until <= now() and approved_until > now()
      order by approved_until limit ${SWEEP_BATCH})`.execute(database.db);
  return rows;
};

/** Ends everything that is due now. Returns how many rows this call moved. */
export const sweep = async (database: Database): Promise<number> => {
  let moved = 0;
  for (const due of await findDue(database)) {
    const of = { requestId: due.request_id, agentId: due.agent_id };
    const ended =
      due.kind === 'request'
        ? await expireRequest(database, of)
        : await endGrant(database, due.id, due.kind, of);
    if (ended) moved += 1;
  }
  return moved;
};

/** Sweeps until stopped; one look at a time, an outage is retried at the next. */
export const startSweeper = (database: Database, logger: Logger): { readonly stop: () => Promise<void> } => {
  let stopped = false;
  let looking: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    try {
      await sweep(database);
    } catch (error) {
      logger.warn({ err: error }, 'sweep failed; retried');
    }
    if (!stopped) timer = setTimeout(start, SWEEP_INTERVAL_MS);
  };
  const start = (): void => {
    looking = look();
  };
  let timer = setTimeout(start, SWEEP_INTERVAL_MS);
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
};
