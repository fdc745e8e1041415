/** Whether this person can decide now, and if not, why not. The page only says it; `src/access/vote.ts` decides it. */
import type { DecisionModel } from '../../views/decision-panel.tsx';
import type { NarrowingModel } from '../../views/narrowing.tsx';
import type { ApprovalRequest } from '../access/approval-queue.ts';
import type { DecisionNow } from '../access/check-vote.ts';
import { conditionsOf, eligibleGroups } from '../access/quorum.ts';
import { isOwner, isSamePerson, type WhoIsWho } from '../access/who-is-who.ts';
import { issueActionToken } from './action-token.ts';
import { stateNow } from './approval-model.ts';
import type { Session } from './sessions.ts';
import { heldAgainst } from './shown.ts';
import { signInFirst } from './sign-in-first.ts';

export type DecisionContext = {
  readonly session: Session;
  /** Null: nobody can say who answers for the agent, so nobody decides. */
  readonly who: WhoIsWho | null;
  /** Null: policy was not asked, because the request is not open or its agent unknown. */
  readonly decisionNow: DecisionNow | null;
  readonly actionKey: Buffer;
  readonly now: Date;
  readonly typed: string;
  readonly problem: string | null;
  readonly reasonWrong: boolean;
  /** What the page shows beside the terms; see `shown.ts`. */
  readonly shown: string;
  readonly narrowing: NarrowingModel;
};

type Closed = { readonly title: string; readonly why: string };

const CLOSED = {
  expired: { title: 'Too late', why: 'Nobody decided in time. The agent has to ask again.' },
  cancelled: {
    title: 'Taken back',
    why: 'The agent took its request back, or a kill switch ended it. There is nothing to decide.',
  },
  decided: { title: 'Decided', why: 'A decision is never changed afterwards.' },
  unregistered: {
    title: 'Not to be decided',
    why: 'The agent is not registered any more, so nobody can decide on its requests.',
  },
  owner: {
    title: 'Not yours to decide',
    why: 'You answer for this agent. Its owners and sponsors never decide on its requests; another approver has to.',
  },
  regrouped: {
    title: 'Not yours to decide',
    why: 'Policy has changed since the request was made, and no longer lets a group of yours decide on it.',
  },
  voted: { title: 'You have voted', why: 'The request waits for other people now.' },
} as const satisfies Record<string, Closed>;

/** Why nobody, or not this person, can decide on it any more; null if it is open to them. */
const closedBecause = (
  request: ApprovalRequest,
  { session, who, decisionNow }: DecisionContext,
): Closed | null => {
  const state = stateNow(request);
  if (state === 'expired') return CLOSED.expired;
  if (state === 'cancelled') return CLOSED.cancelled;
  if (state !== 'pending') return CLOSED.decided;
  if (who === null) return CLOSED.unregistered;
  if (isOwner(who, session)) return CLOSED.owner;
  const own = eligibleGroups(conditionsOf(request.terms), session.roles);
  const approval = decisionNow?.approval ?? null;
  if (approval !== null && !own.some((group) => approval.groups.includes(group))) return CLOSED.regrouped;
  return request.votes.some((vote) => vote.current && isSamePerson(who, session, vote)) ? CLOSED.voted : null;
};

/** `request` with the terms to sign: narrowed, if the person left less of them. */
export const decisionModel = (request: ApprovalRequest, context: DecisionContext): DecisionModel => {
  const { session, actionKey, now, typed, problem, reasonWrong, shown, narrowing } = context;
  const closed = closedBecause(request, context);
  if (closed !== null) return { kind: 'closed', ...closed, reason: typed };
  const approval = context.decisionNow?.approval ?? null;
  const demands = [conditionsOf(request.terms), ...(approval === null ? [] : [approval])];
  const first = signInFirst(`/approvals/${request.requestId}`, session, { demands, now });
  if (first !== null) return { kind: 'sign_in_again', ...first, reason: typed };
  const tokenFor = (verdict: 'approve' | 'deny'): string =>
    issueActionToken(
      actionKey,
      {
        sessionDigest: session.digest,
        requestId: request.requestId,
        termsDigest: request.termsDigest,
        shown,
        verdict,
      },
      now,
    );
  return {
    kind: 'open',
    requestId: request.requestId,
    termsDigest: request.termsDigest,
    approveToken: tokenFor('approve'),
    denyToken: tokenFor('deny'),
    shown,
    narrowing,
    grantSeconds: request.terms.grant_seconds,
    signer: `${session.name} (${session.username})`,
    reason: typed,
    problem,
    denied: heldAgainst(request),
    reasonWrong,
  };
};
