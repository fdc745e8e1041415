/**
 * The guard in front of every statement that opens or issues: the agent's row locked FOR KEY SHARE with the
 * condition on that row, and the revisions that policy decided on still in force. A block or a change of the
 * agent locks the row FOR UPDATE first, so it either sees this statement's commit or this statement sees it.
 * No row, no write: the caller reads again.
 */
import type { AuditEvent } from '../audit/event.ts';
import { eventColumns } from '../audit/event.ts';

/** What a statement was decided on. */
export type DecidedOn = {
  readonly agentId: string;
  readonly registryRevision: number;
  readonly policyRevision: string;
};

/** Parameters $1 to $3 of every guarded statement. */
export const GUARD = `
guard as (
  select a.id from agents a, in_force f
  where a.id = $1 and a.enabled and a.revision <= $2 and f.registry_revision = $2 and f.policy_revision = $3
  for key share of a
)`;

/** Parameters $4 to $7 of every guarded statement: its events, in order. */
const EVENTS = `
unnest($4::text[], $5::text[], $6::text[], $7::bytea[])
  with ordinality as event (name, request_id, agent_id, body, position)`;

/** Inserts the statement's events if `source` yielded its row. */
export const tellFrom = (source: string): string => `
told as (
  insert into audit_events (name, request_id, agent_id, body)
  select event.name, event.request_id, event.agent_id, event.body from ${source}, ${EVENTS}
  order by event.position
)`;

/** The values of $1 to $7. */
export const guardValues = (on: DecidedOn, events: readonly AuditEvent[], at: Date): unknown[] => {
  const { names, requestIds, agentIds, bodies } = eventColumns(events, at);
  return [on.agentId, on.registryRevision, on.policyRevision, names, requestIds, agentIds, bodies];
};
