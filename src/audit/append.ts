import { type Kysely, sql } from 'kysely';
import type { Tables } from '../storage/tables.ts';
import { type AuditEvent, eventColumns } from './event.ts';

/**
 * Appends events, in order, within the transaction `db` is: the fact and its event commit together or not at all.
 * The hot path does the same inside its own statements (`src/access`).
 */
export const appendEvents = async (db: Kysely<Tables>, events: readonly AuditEvent[]): Promise<void> => {
  if (events.length === 0) return;
  const { names, requestIds, agentIds, bodies } = eventColumns(events, new Date());
  await sql`
    insert into audit_events (name, request_id, agent_id, body)
    select name, request_id, agent_id, body
    from unnest(${names}::text[], ${requestIds}::text[], ${agentIds}::text[], ${bodies}::bytea[])
      with ordinality as event (name, request_id, agent_id, body, position)
    order by event.position`.execute(db);
};
