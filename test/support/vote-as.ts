/** A vote of one of the lab's people, as the console casts it when policy leaves to the request who may decide. */
import { sql } from 'kysely';
import { agentOf, personOf, type World } from '../../lab/world.ts';
import { castVote, type VoteOutcome } from '../../src/access/vote.ts';
import type { Database } from '../../src/storage/database.ts';

type Row = {
  readonly terms_digest: string;
  readonly agent_id: string;
  readonly registry_revision: number;
  readonly policy_revision: string;
};

/** Votes on the request's present terms; an unknown request is refused as such. */
export const voteAs = async (
  { world, database }: { readonly world: World; readonly database: Database },
  requestId: string,
  verdict: 'approve' | 'deny',
  person = 'approver',
): Promise<VoteOutcome> => {
  const { objectId, roles } = personOf(world, person);
  const { rows } = await sql<Row>`
    select r.terms_digest, r.agent_id, f.registry_revision, f.policy_revision
    from access_requests r, in_force f where r.id = ${requestId}`.execute(database.db);
  const [row] = rows;
  if (row === undefined) return { refused: 'not_found' };
  return castVote(database, {
    requestId,
    verdict,
    reason: 'checked',
    termsDigest: row.terms_digest,
    approver: { tenant: world.tenant, object: objectId, roles, signedInAt: new Date() },
    owners: agentOf(world, row.agent_id).owners,
    registryRevision: row.registry_revision,
    decisionNow: { decision: 'permit', approval: null, bundleRevision: row.policy_revision },
    traceId: null,
  });
};
