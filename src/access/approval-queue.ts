/**
 * What people are asked to decide: a person sees exactly the requests whose terms name one of their groups, waiting
 * or decided, and nothing of any other. Reads only; `vote.ts` alone changes anything.
 */
import { sql } from 'kysely';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import type { Decision } from '../policy/decision.ts';
import type { Principal } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';
import type { GrantEnd, GrantState, RequestState } from '../storage/tables.ts';
import { countsBeside } from './counted-votes.ts';
import { APPROVER_ROLE_PREFIX } from './quorum.ts';
import type { Terms } from './request-digest.ts';

/** Someone who approves, by Entra's roles. */
export type QueueReader = Principal & { readonly roles: readonly string[] };

export type QueueEntry = {
  readonly requestId: string;
  readonly agentId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly terms: Terms;
  readonly state: RequestState;
  readonly openedAt: Date;
  readonly expiresAt: Date;
  readonly decidedAt: Date | null;
  readonly approvals: number;
  readonly quorum: number;
  /** Those whose votes made it what it is and why, in order; the object id of whoever's name was erased. */
  readonly voters: readonly { readonly name: string; readonly reason: string }[];
  /** Whether the reader voted on its present terms. */
  readonly voted: boolean;
};

export type CastVote = Principal & {
  readonly name: string;
  readonly verdict: 'approve' | 'deny';
  readonly reason: string;
  readonly votedAt: Date;
  /** Whether it is on the terms that the request has now. */
  readonly current: boolean;
  /** Whether it counts: an approval of wider terms does not any more, a denial of them does. */
  readonly counts: boolean;
};

/** A person's denial of `scope` to the same agent at the same API. */
export type HeldDenial = {
  readonly requestId: string;
  readonly scope: string;
  /** RFC 3339. */
  readonly until: string;
};

/** One request with everything an approver decides on. */
export type ApprovalRequest = Omit<QueueEntry, 'voters' | 'voted'> & {
  readonly authorizationDetails: Terms['authorization_details'];
  readonly proofKey: string | null;
  readonly justification: string | null;
  readonly workload: VerifiedWorkload;
  readonly decision: Decision;
  readonly termsDigest: string;
  readonly votes: readonly CastVote[];
  /** Denials of other requests that hold for scopes of this one: the agent may have asked for the same more than once. */
  readonly heldDenials: readonly HeldDenial[];
  readonly grant: {
    readonly state: GrantState;
    readonly endedReason: GrantEnd | null;
    /** Null: it began when it was opened. */
    readonly startsAt: Date | null;
    readonly pickupUntil: Date;
    readonly approvedUntil: Date;
    /** Tokens issued so far. */
    readonly tokens: number;
  } | null;
  readonly now: Date;
};

/** Groups that the roles make a person eligible for. */
export const approverGroups = (roles: readonly string[]): string[] =>
  roles
    .filter((role) => role.startsWith(APPROVER_ROLE_PREFIX))
    .map((role) => role.slice(APPROVER_ROLE_PREFIX.length));

type ApprovalRow = Omit<ApprovalRequest, 'votes' | 'grant'> & {
  readonly grantState: GrantState | null;
  readonly endedReason: GrantEnd | null;
  readonly startsAt: Date | null;
  readonly pickupUntil: Date;
  readonly approvedUntil: Date;
  readonly tokens: number;
};

const findVotes = async (database: Database, requestId: string): Promise<CastVote[]> => {
  const { rows } = await sql<CastVote>`
    select v.approver_tenant as tenant, v.approver_object as object, coalesce(p.name, v.approver_object::text) as name,
      v.verdict, v.reason, v.voted_at as "votedAt", v.terms_digest = r.terms_digest as current,
      ${countsBeside(sql`r.terms_digest`)} as counts
    from votes v join access_requests r on r.id = v.request_id left join people p on p.tenant_id = v.approver_tenant and p.object_id = v.approver_object
    where v.request_id = ${requestId} order by v.voted_at`.execute(database.pages);
  return rows;
};

/** The request, in whatever state; null if it is unknown or none of the reader's groups may decide it. */
export const findForApprover = async (
  database: Database,
  reader: QueueReader,
  requestId: string,
): Promise<ApprovalRequest | null> => {
  const { rows } = await sql<ApprovalRow>`
    select r.id as "requestId", r.agent_id as "agentId", r.audience, r.scopes, r.terms, r.state, r.approvals, r.quorum,
      r.opened_at as "openedAt", r.expires_at as "expiresAt", r.decided_at as "decidedAt", now() as now,
      r.authorization_details as "authorizationDetails", r.proof_key as "proofKey", r.justification, r.workload,
      r.decision, r.terms_digest as "termsDigest", g.state as "grantState", g.ended_reason as "endedReason",
      g.starts_at as "startsAt", g.pickup_until as "pickupUntil", g.approved_until as "approvedUntil",
      (select count(*) from tokens t where t.grant_id = g.id) as tokens,
      (select coalesce(json_agg(json_build_object('requestId', d.request_id, 'scope', d.scope, 'until', d.held_until)
          order by d.scope, d.request_id), '[]') from denials d
        where d.agent_id = r.agent_id and d.audience = r.audience and d.scope = any(r.scopes) and d.request_id <> r.id
          and d.lifted_at is null and d.held_until > now()) as "heldDenials"
    from access_requests r left join grants g on g.request_id = r.id
    where r.id = ${requestId} and r.terms->'groups' ?| ${approverGroups(reader.roles)}::text[]`.execute(
    database.pages,
  );
  const [row] = rows;
  if (row === undefined) return null;
  const { grantState, endedReason, startsAt, pickupUntil, approvedUntil, tokens, ...request } = row;
  return {
    ...request,
    votes: await findVotes(database, requestId),
    grant:
      grantState === null
        ? null
        : { state: grantState, endedReason, startsAt, pickupUntil, approvedUntil, tokens },
  };
};
