import { CompiledQuery, type Kysely } from 'kysely';
import type { Tables } from '../storage/tables.ts';
import { type AuditEvent, eventRows, eventValues } from './event.ts';

const APPEND = `
insert into audit_events (name, request_id, agent_id, body)
select name, request_id, agent_id, body from ${eventRows(1)} order by position`;

/**
 * Appends events, in order, within the transaction `db` is: the fact and its event commit together or not at all.
 * The hot path does the same inside its own statements (`src/access`).
 */
export const appendEvents = async (db: Kysely<Tables>, events: readonly AuditEvent[]): Promise<void> => {
  if (events.length > 0) await db.executeQuery(CompiledQuery.raw(APPEND, eventValues(events, new Date())));
};
