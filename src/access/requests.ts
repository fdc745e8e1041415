/** Finding and opening access requests, those of one moment together: what an exchange reads and writes. */
import type { Database } from '../storage/database.ts';
import { type Grouping, grouped, isOutage } from '../storage/grouped.ts';
import { type Found, findRequests, type Search, storedKey } from './find-request.ts';
import { openPending } from './open-pending.ts';
import { type Opened, type Opening, openRequests } from './open-request.ts';

export type Requests = {
  /** What a key stands for within its agent, and what else decides about it. */
  readonly find: (search: Search) => Promise<Found>;
  /** Opens a request; null: it was overtaken, read again. Throws `DatabaseUnavailable` if nobody can say. */
  readonly open: (opening: Opening) => Promise<Opened | null>;
  /** The same for one that waits for people: `full` if its agent has `openMax` of them. */
  readonly openPending: (opening: Opening, openMax: number) => Promise<Opened | 'full' | null>;
};

type Waiting = { readonly request: Opening; readonly openMax: number };

/**
 * One call of an agent at a time, each in a statement of its own whose failure is its own. A crowd of one agent takes two
 * connections from the others, and in an outage learns of it at once.
 */
const oneOfEachAgent = <Call, Result>(
  run: (call: Call) => Promise<Result>,
  agentOf: (call: Call) => string,
): ((call: Call) => Promise<Result>) => {
  const settle = grouped<Call, PromiseSettledResult<Result>>({
    run: async (calls) => {
      const settled = await Promise.allSettled(calls.map(run));
      for (const one of settled) if (one.status === 'rejected' && isOutage(one.reason)) throw one.reason;
      return settled;
    },
    keyOf: agentOf,
  });
  return async (call) => {
    const settled = await settle(call);
    if (settled.status === 'rejected') throw settled.reason;
    return settled.value;
  };
};

/** Those with proofs keep to themselves: a proof that is used again costs its group a second run. */
export const accessRequests = (database: Database): Requests => {
  const opening: Grouping<Opening, Opened | null> = {
    run: (openings) => openRequests(database, openings),
    keyOf: ({ on, key }) => `${on.agentId} ${storedKey(key)}`,
  };
  const open = grouped(opening);
  const openProven = grouped(opening);
  const openSingle = oneOfEachAgent<Opening, Opened | null>(
    async (request) => (await openRequests(database, [request]))[0] ?? null,
    ({ on }) => on.agentId,
  );
  const pending = oneOfEachAgent<Waiting, Opened | 'full' | null>(
    ({ request, openMax }) => openPending(database, request, openMax),
    ({ request }) => request.on.agentId,
  );
  return {
    find: grouped({ run: (searches) => findRequests(database, searches) }),
    open: (request) => {
      if (request.workload.strictReplay) return openSingle(request);
      return (request.proof === null ? open : openProven)(request);
    },
    openPending: (request, openMax) => pending({ request, openMax }),
  };
};
