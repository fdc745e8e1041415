/** Votes, as the console casts them when policy leaves to the request who may decide. */
import { sql } from 'kysely';
import { agentOf, personOf, type World } from '../../lab/world.ts';
import type { Approver } from '../../src/access/check-vote.ts';
import { type Narrowing, narrowedTerms } from '../../src/access/narrowing.ts';
import { type Terms, termsDigest } from '../../src/access/request-digest.ts';
import { castVote, type VoteOutcome } from '../../src/access/vote.ts';
import type { Principal } from '../../src/registry/registry.ts';
import type { Database } from '../../src/storage/database.ts';
import { whoIs } from './access.ts';

type Row = {
  readonly terms: Terms;
  readonly terms_digest: string;
  readonly agent_id: string;
  readonly registry_revision: number;
  readonly policy_revision: string;
};

export type VoteBy = {
  readonly requestId: string;
  readonly verdict: 'approve' | 'deny';
  readonly approver: Approver;
  readonly ownersOf: (agentId: string) => readonly Principal[];
  /** What the approver leaves of the terms, where that is less; the rest stays. */
  readonly left?: Partial<Narrowing> | null;
};

/** Votes on the request's present terms; an unknown request is refused as such. */
export const voteBy = async (
  database: Database,
  { requestId, verdict, approver, ownersOf, left = null }: VoteBy,
): Promise<VoteOutcome> => {
  const { rows } = await sql<Row>`
    select r.terms, r.terms_digest, r.agent_id, f.registry_revision, f.policy_revision
    from access_requests r, in_force f where r.id = ${requestId}`.execute(database.db);
  const [row] = rows;
  if (row === undefined) return { refused: 'not_found' };
  const { terms } = row;
  const narrowing: Narrowing | null = left && {
    scopes: terms.scopes,
    authorizationDetails: terms.authorization_details,
    grantSeconds: terms.grant_seconds,
    maxTokens: terms.max_tokens,
    ...left,
  };
  return castVote(database, {
    requestId,
    verdict,
    reason: 'checked',
    narrowing,
    mayShorten: () => true,
    termsDigest: narrowing === null ? row.terms_digest : termsDigest(narrowedTerms(terms, narrowing)),
    approver,
    who: whoIs({ owners: ownersOf(row.agent_id) }),
    registryRevision: row.registry_revision,
    decisionNow: { decision: 'permit', approval: null, bundleRevision: row.policy_revision },
    traceId: null,
  });
};

/** How it ended, in one word. */
export const wordOf = (outcome: VoteOutcome): string =>
  'refused' in outcome ? outcome.refused : 'outcome' in outcome ? outcome.outcome : 'overtaken';

/** The vote of one of the lab's people. */
export const voteAs = (
  { world, database }: { readonly world: World; readonly database: Database },
  requestId: string,
  verdict: 'approve' | 'deny',
  person = 'approver',
  left: Partial<Narrowing> | null = null,
): Promise<VoteOutcome> => {
  const { objectId, roles } = personOf(world, person);
  return voteBy(database, {
    requestId,
    verdict,
    approver: {
      tenant: world.tenant,
      object: objectId,
      roles,
      signedInAt: new Date(),
      authenticatedAt: new Date(),
      authenticationContexts: [],
    },
    ownersOf: (agentId) => agentOf(world, agentId).owners,
    left,
  });
};
