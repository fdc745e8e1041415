/** Finding and opening access requests, those of one moment together: what an exchange reads and writes. */
import type { Database } from '../storage/database.ts';
import { grouped } from '../storage/grouped.ts';
import { type Found, findRequests, type Search, storedKey } from './find-request.ts';
import { type Opened, type Opening, openRequests } from './open-request.ts';

export type Requests = {
  /** What a key stands for within its agent, and what else decides about it. */
  readonly find: (search: Search) => Promise<Found>;
  /** Opens a request; null: it was overtaken, read again. Throws `DatabaseUnavailable` if nobody can say. */
  readonly open: (opening: Opening) => Promise<Opened | null>;
};

export const accessRequests = (database: Database): Requests => ({
  find: grouped({ run: (searches) => findRequests(database, searches) }),
  open: grouped({
    run: (openings) => openRequests(database, openings),
    keyOf: ({ on, key }) => `${on.agentId} ${storedKey(key)}`,
  }),
});
