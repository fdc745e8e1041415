/**
 * The guard in front of every statement that opens or issues: the agent's row locked FOR KEY SHARE with the
 * condition on that row, and the revisions that it was decided on still in force. A change of the agent locks the row
 * FOR UPDATE first, so it either sees this statement's commit or this statement sees it; a block outlasts whatever was
 * under way when it was committed (`blocks.ts`). Policy and registry are those in force when the statement began: one that
 * waited for the agent's row may still commit on them, the lock timeout of half a second later at most.
 * No row, no write: the caller reads again.
 */
import { eventRows } from '../audit/event.ts';

/** What a statement was decided on. */
export type DecidedOn = {
  readonly agentId: string;
  readonly registryRevision: number;
  readonly policyRevision: string;
  /** Of what is closed. */
  readonly blocksRevision: number;
};

/** Parameters $1 to $4 of every guarded statement. */
export const GUARD = `
guard as (
  select a.id from agents a, in_force f
  where a.id = $1 and a.enabled and a.revision <= $2
    and f.registry_revision = $2 and f.policy_revision = $3 and f.blocks_revision = $4
  for key share of a
)`;

/** Inserts the events, whose values stand from $`first` on, if `source` yielded its row. */
export const tellFrom = (source: string, first: number): string => `
told as (
  insert into audit_events (name, request_id, agent_id, body)
  select event.name, event.request_id, event.agent_id, event.body from ${source}, ${eventRows(first)}
  order by event.position
)`;

/** The values of $1 to $4. */
export const guardValues = (on: DecidedOn): unknown[] => [
  on.agentId,
  on.registryRevision,
  on.policyRevision,
  on.blocksRevision,
];
