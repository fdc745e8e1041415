/**
 * Opening a request that waits for people, within the number that its agent may have at a time. A statement that waited
 * for a lock still counts what it saw before, so the agent's row is locked by one statement and the requests are
 * counted by the next: of two at once, the second counts the first. The lock lets exchanges go on (FOR KEY SHARE) and
 * holds back only others that open, and changes of the agent. Whoever waits for it holds a connection, so the openings
 * of one agent must not all come here at once.
 */
import { CompiledQuery, sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import { storedKey } from './find-request.ts';
import { unlessOvertaken } from './guard.ts';
import { type Opened, type Opening, openOrThrow } from './open-request.ts';

/** Null: it was overtaken, read again; `full`: its agent has `openMax` pending requests. Throws as `openRequests`. */
export const openPending = async (
  database: Database,
  opening: Opening,
  openMax: number,
): Promise<Opened | 'full' | null> => {
  const [opened] = await unlessOvertaken(openWithin(database, opening, openMax));
  return opened ?? null;
};

const openWithin = (
  database: Database,
  opening: Opening,
  openMax: number,
): Promise<(Opened | 'full' | null)[]> =>
  database.db.transaction().execute(async (trx) => {
    const { agentId } = opening.on;
    await sql`select from agents where id = ${agentId} for no key update`.execute(trx);
    const { rows } = await sql<{ pending: number; overtaken: boolean }>`
      select exists (select from request_keys where agent_id = ${agentId} and key = ${storedKey(opening.key)}
          and request_id is distinct from ${opening.replaces}) as overtaken,
        (select count(*) from access_requests
          where state = 'pending' and expires_at > now() and agent_id = ${agentId}) as pending`.execute(trx);
    const [seen] = rows;
    if (seen === undefined || seen.overtaken) return [];
    if (seen.pending >= openMax) return ['full'];
    const query: Database['query'] = async <Row>(
      { text }: { readonly text: string },
      values: readonly unknown[],
    ) => [...(await trx.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows];
    return openOrThrow({ query }, [opening]);
  });
