/**
 * Whether a vote counts. Who may vote was frozen when the request was opened and is compared with what policy says
 * now: both must hold. Pure: everything is judged on the request's row as it is locked.
 */
import type { Decision } from '../policy/decision.ts';
import type { VoteReason } from '../reasons/vote.ts';
import type { Principal } from '../registry/registry.ts';
import { isWithin, type MayShorten, type Narrowing, narrowedTerms } from './narrowing.ts';
import { conditionsOf, eligibleGroups } from './quorum.ts';
import { type Terms, termsDigest } from './request-digest.ts';
import { isSignInTooOld, missingStepUp, type SignedIn } from './step-up.ts';
import { type CastVote, isOwner, isSamePerson, type WhoIsWho } from './who-is-who.ts';

/** A signed-in person: who, with which Entra app roles, and since when. */
export type Approver = Principal & SignedIn & { readonly roles: readonly string[] };

/** What policy says of a request now, as far as a vote depends on it. */
export type DecisionNow = Pick<Decision, 'decision' | 'approval' | 'bundleRevision'>;

export type Vote = {
  readonly requestId: string;
  readonly verdict: 'approve' | 'deny';
  /** The approver's own words, for the audit trail; never shown to the agent. */
  readonly reason: string;
  /** What the approver leaves of the terms; null: all of it. */
  readonly narrowing: Narrowing | null;
  readonly mayShorten: MayShorten;
  /** Digest of the terms the page showed, narrowed if they are. */
  readonly termsDigest: string;
  readonly approver: Approver;
  /** Who is who in the registry now. */
  readonly who: WhoIsWho;
  /** The registry's revision that `who` is of. */
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
  | 'narrowing_invalid'
  | 'owner'
  | 'not_a_person'
  | 'sign_in_too_old'
  | 'step_up_missing'
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

/** A vote that counts: on the request's present terms, or a denial of earlier ones by somebody who did not vote since. */
export type Counted = CastVote & {
  readonly verdict: 'approve' | 'deny';
  /** Whether it is on the present terms. */
  readonly present: boolean;
};

/** The groups that the approver stands for: of those that the request was opened for. */
export const groupsOf = ({ terms }: Pick<LockedRequest, 'terms'>, { approver }: Vote): string[] =>
  eligibleGroups(conditionsOf(terms), approver.roles);

/** The terms that a vote signs: those of the request, or what its approver leaves of them. */
export const signedTerms = ({ terms }: Pick<LockedRequest, 'terms'>, { narrowing }: Vote): Terms =>
  narrowing === null ? terms : narrowedTerms(terms, narrowing);

/** Why the vote does not count beside those that count already, undefined if it does. */
export const checkVote = (
  request: LockedRequest,
  vote: Vote,
  counted: readonly Counted[],
): VoteRefusal | undefined => {
  const { approver, who, decisionNow } = vote;
  if (who.isWorkload(approver)) return 'not_a_person';
  const groups = groupsOf(request, vote);
  if (groups.length === 0) return 'not_eligible';
  if (isOwner(who, approver)) return 'owner';
  if (isSignInTooOld(approver, request.now)) return 'sign_in_too_old';
  if (request.state !== 'pending' || request.expired) return 'already_decided';
  if (counted.some((other) => other.present && isSamePerson(who, approver, other))) return 'already_voted';
  const terms = signedTerms(request, vote);
  if (vote.verdict === 'deny' && vote.narrowing !== null) return 'narrowing_invalid';
  if (!isWithin(terms, request.terms, vote.mayShorten)) return 'narrowing_invalid';
  const signed = vote.narrowing === null ? request.terms_digest : termsDigest(terms);
  if (signed !== vote.termsDigest) return 'terms_changed';
  const { approval } = decisionNow;
  if (approval !== null && !groups.some((group) => approval.groups.includes(group)))
    return 'not_eligible_now';
  if (vote.verdict === 'approve' && decisionNow.decision === 'deny') return 'policy_denies';
  const demands = [conditionsOf(request.terms), ...(approval === null ? [] : [approval])];
  if (missingStepUp(approver, demands, request.now) !== null) return 'step_up_missing';
  return undefined;
};
