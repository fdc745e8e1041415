/** What an agent names in order to take it back: found within this agent alone. */
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import { type RequestKey, storedKey } from './find-request.ts';

/** The id of this agent's request; null if it has none under that name. Throws `DatabaseUnavailable`. */
export const findOwnRequest = async (
  { db }: Database,
  agentId: string,
  key: RequestKey,
): Promise<string | null> => {
  const { rows } = await (key.kind === 'broker'
    ? sql<{ id: string }>`select id from access_requests where id = ${key.value} and agent_id = ${agentId}`
    : sql<{ id: string }>`
        select request_id as id from request_keys where agent_id = ${agentId} and key = ${storedKey(key)}`
  ).execute(db);
  return rows[0]?.id ?? null;
};
