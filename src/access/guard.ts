/**
 * The guard in front of every statement that opens or issues: the agent's row locked FOR KEY SHARE with the
 * condition on that row, and the revisions that it was decided on still in force. A change of the agent locks the row
 * FOR UPDATE first, so it either sees this statement's commit or this statement sees it; a block outlasts whatever was
 * under way when it was committed (`blocks.ts`).
 * No row, no write: the caller reads again.
 *
 * A statement that waits for a row, of the agent or of the grant, still compares the revisions that it saw before. So each
 * ends with `demand_in_force`, which reads them as they are by then and undoes the statement if they moved. What is left
 * is the commit itself; a token of that instant is as if it had been issued before the change.
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

/** The last thing that a statement does for a row that it answers with: a column of its answer. */
export const demandInForce = (registry: string, policy: string, blocks: string): string =>
  `demand_in_force(${registry}, ${policy}, ${blocks})`;

/** Of a statement with the parameters of `GUARD`. */
export const DEMAND_IN_FORCE = demandInForce('$2', '$3', '$4');

const OVERTAKEN = 'CS001';

/** What the statement answers with, or nothing if the revisions moved while it waited: it wrote nothing then. */
export const unlessOvertaken = async <Row>(rows: Promise<Row[]>): Promise<Row[]> => {
  try {
    return await rows;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === OVERTAKEN) return [];
    throw error;
  }
};

/** The values of $1 to $4. */
export const guardValues = (on: DecidedOn): unknown[] => [
  on.agentId,
  on.registryRevision,
  on.policyRevision,
  on.blocksRevision,
];
