/**
 * Whether a vote counts. Who may vote was frozen when the request was opened and is compared with what policy says
 * now: both must hold. Pure: everything is judged on the request's row as it is locked.
 */
import type { Decision } from '../policy/decision.ts';
import { SIGN_IN_MAX_AGE_SECONDS } from '../policy/rules.ts';
import type { VoteReason } from '../reasons/vote.ts';
import { isSamePrincipal, type Principal } from '../registry/registry.ts';
import { conditionsOf, eligibleGroups } from './quorum.ts';
import type { Terms } from './request-digest.ts';

/** A signed-in person: who, with which Entra app roles, and since when. */
export type Approver = Principal & { readonly roles: readonly string[]; readonly signedInAt: Date };

/** What policy says of a request now, as far as a vote depends on it. */
export type DecisionNow = Pick<Decision, 'decision' | 'approval' | 'bundleRevision'>;

export type Vote = {
  readonly requestId: string;
  readonly verdict: 'approve' | 'deny';
  /** The approver's own words, for the audit trail; never shown to the agent. */
  readonly reason: string;
  /** Digest of the terms the page showed. */
  readonly termsDigest: string;
  readonly approver: Approver;
  /** Owners of the agent in the registry now: none of them may vote. */
  readonly owners: readonly Principal[];
  /** The registry's revision that the owners are of. */
  readonly registryRevision: number;
  readonly decisionNow: DecisionNow;
  readonly traceId: string | null;
};

export type VoteRefusal = Extract<
  VoteReason,
  | 'not_found'
  | 'already_decided'
  | 'already_voted'
  | 'terms_changed'
  | 'not_eligible'
  | 'not_eligible_now'
  | 'policy_denies'
  | 'owner'
  | 'sign_in_too_old'
>;

/** The row of a request as a vote found it, locked. */
export type LockedRequest = {
  readonly id: string;
  readonly agent_id: string;
  readonly audience: string;
  readonly scopes: string[];
  readonly state: string;
  readonly terms: Terms;
  readonly terms_digest: string;
  readonly decision: Decision;
  readonly quorum: number;
  readonly expired: boolean;
  /** Whether the revisions that the vote was prepared on are in force. */
  readonly current: boolean;
  readonly now: Date;
};

/** A vote that counts: on the request's present terms. */
export type Counted = Principal & {
  readonly verdict: 'approve' | 'deny';
  readonly groups: readonly string[];
};

/** The groups that the approver stands for: of those that the request was opened for. */
export const groupsOf = ({ terms }: Pick<LockedRequest, 'terms'>, { approver }: Vote): string[] =>
  eligibleGroups(conditionsOf(terms), approver.roles);

/** Why the vote does not count beside those that count already, undefined if it does. */
export const checkVote = (
  request: LockedRequest,
  vote: Vote,
  counted: readonly Counted[],
): VoteRefusal | undefined => {
  const { approver, owners, decisionNow } = vote;
  const groups = groupsOf(request, vote);
  if (groups.length === 0) return 'not_eligible';
  if (owners.some((owner) => isSamePrincipal(owner, approver))) return 'owner';
  const signInAge = (request.now.getTime() - approver.signedInAt.getTime()) / 1000;
  if (!(signInAge <= SIGN_IN_MAX_AGE_SECONDS)) return 'sign_in_too_old';
  if (request.state !== 'pending' || request.expired) return 'already_decided';
  if (counted.some((other) => isSamePrincipal(other, approver))) return 'already_voted';
  if (request.terms_digest !== vote.termsDigest) return 'terms_changed';
  const { approval } = decisionNow;
  if (approval !== null && !groups.some((group) => approval.groups.includes(group)))
    return 'not_eligible_now';
  if (vote.verdict === 'approve' && decisionNow.decision === 'deny') return 'policy_denies';
  return undefined;
};
