/**
 * Waits for people's decisions: one watcher for all who wait in this process, with one query in each look and no timer
 * of anybody's own. It only says when to look again; what was decided is read by whoever looks. The database is asked
 * also where replicas share a Redis: it alone knows what was committed.
 */
import type { Logger } from 'pino';
import type { Database, Statement } from '../storage/database.ts';

/** How late a decision may be noticed. */
const LOOK_INTERVAL_MS = 250;
/** Waits held at a time: of one request, of one agent, and of all, a quarter of the connections. */
const HELD_MAX = { request: 2, agent: 20, all: 500 } as const;

export type DecisionWait = {
  readonly requestId: string;
  readonly agentId: string;
  readonly seconds: number;
  /** Aborted when nobody is there any more to be answered. */
  readonly gone: AbortSignal;
};

/** `look`: decided, over, or waited long enough; `gone`: nobody is there to be answered. */
export type WaitEnd = 'look' | 'gone';

export type DecisionWaits = {
  /** Whether a wait would be held now. */
  readonly hasRoom: (wait: Pick<DecisionWait, 'requestId' | 'agentId'>) => boolean;
  /** Holds a wait until it ends; null: there is no room, answer at once. Never rejects. */
  readonly hold: (wait: DecisionWait) => Promise<WaitEnd> | null;
  /** Ends every wait, and holds no other. */
  readonly stop: () => Promise<void>;
};

/** Each `limit 1` tells the planner that there is one row, to be looked up by its key. */
export const FIND_SETTLED: Statement = {
  name: 'find-settled',
  text: `
select q.id from unnest($1::text[]) as q (id)
cross join lateral (select r.state, r.expires_at from access_requests r where r.id = q.id limit 1) r
left join lateral (
  select g.starts_at from grants g where g.request_id = q.id and g.state = 'offered' limit 1) g on true
where (r.state <> 'pending' or r.expires_at <= now()) and coalesce(g.starts_at, now()) <= now()`,
};

type Waiting = DecisionWait & { readonly until: number; readonly end: (how: WaitEnd) => void };

export type DecisionWaitsOptions = {
  readonly database: Pick<Database, 'query'>;
  readonly logger: Logger;
};

export const openDecisionWaits = ({ database, logger }: DecisionWaitsOptions): DecisionWaits => {
  const held = new Set<Waiting>();
  const counts = new Map<string, number>();
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();

  const namesOf = ({ requestId, agentId }: Pick<DecisionWait, 'requestId' | 'agentId'>) =>
    [`request ${requestId}`, `agent ${agentId}`] as const;
  const count = (wait: DecisionWait, change: 1 | -1): void => {
    for (const name of namesOf(wait)) {
      const counted = (counts.get(name) ?? 0) + change;
      if (counted === 0) counts.delete(name);
      else counts.set(name, counted);
    }
  };
  const release = (waiting: Waiting, how: WaitEnd): void => {
    if (!held.delete(waiting)) return;
    count(waiting, -1);
    waiting.end(how);
  };

  /** An outage decides nothing: who waits goes on, and meets it when it looks itself. */
  const settledAmong = async (ids: readonly string[]): Promise<ReadonlySet<string>> => {
    try {
      return new Set((await database.query<{ id: string }>(FIND_SETTLED, [ids])).map(({ id }) => id));
    } catch (error) {
      logger.warn({ err: error }, 'cannot look whether requests were decided; tried again');
      return new Set();
    }
  };
  const look = async (): Promise<void> => {
    const settled = await settledAmong([...new Set([...held].map(({ requestId }) => requestId))]);
    const now = performance.now();
    for (const waiting of held)
      if (settled.has(waiting.requestId) || waiting.until <= now) release(waiting, 'look');
    timer = undefined;
    schedule();
  };
  const schedule = (): void => {
    if (stopped || held.size === 0 || timer !== undefined) return;
    timer = setTimeout(() => {
      looking = look();
    }, LOOK_INTERVAL_MS);
  };

  const hasRoom: DecisionWaits['hasRoom'] = (wait) => {
    const [request, agent] = namesOf(wait);
    return (
      !stopped &&
      held.size < HELD_MAX.all &&
      (counts.get(request) ?? 0) < HELD_MAX.request &&
      (counts.get(agent) ?? 0) < HELD_MAX.agent
    );
  };
  return {
    hasRoom,
    hold: (wait) => {
      if (wait.gone.aborted || !hasRoom(wait)) return null;
      return new Promise((resolve) => {
        const waiting = { ...wait, until: performance.now() + wait.seconds * 1_000, end: resolve };
        held.add(waiting);
        count(wait, 1);
        wait.gone.addEventListener('abort', () => release(waiting, 'gone'), { once: true });
        schedule();
      });
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      for (const waiting of held) release(waiting, 'look');
      await looking;
    },
  };
};
