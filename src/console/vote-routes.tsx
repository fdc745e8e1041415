/**
 * A person's vote. Nothing is believed that the post says but the verdict and the reason: it must come from a page
 * of ours, of this session, for these terms and this verdict. Whatever does not count leaves the typed reason on the
 * page that answers. Votes that cannot count in any case go to `castVote` without their action token, so that the
 * trail has them.
 */
import type Router from '@koa/router';
import { REASON_MAX_LENGTH } from '../../views/decision-panel.tsx';
import type { ApprovalRequest } from '../access/approval-queue.ts';
import { findForApprover } from '../access/approval-queue.ts';
import { castVote, type VoteOutcome } from '../access/vote.ts';
import type { Form } from '../http/form.ts';
import type { VoteReason } from '../reasons/vote.ts';
import { isSamePrincipal } from '../registry/registry.ts';
import { checkActionToken } from './action-token.ts';
import { answerRefusal, redirect } from './answers.tsx';
import { ownersOf, stateNow } from './approval-model.ts';
import { type Mishap, requestOf, sessionOf, showApproval } from './approval-routes.tsx';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { decisionNow } from './decision-now.ts';
import { formOf, requireSameOrigin, requireSession } from './guards.tsx';
import { keepsPace } from './pace.tsx';
import { malformed, notFound, selfApproval } from './refusals.ts';
import { tellRefusal, tellRefusedVote } from './tell-refusal.ts';

type Ballot = {
  readonly verdict: 'approve' | 'deny';
  readonly reason: string;
  /** Empty if the post names none. */
  readonly termsDigest: string;
  readonly token: string;
};

/** SHA-256, hex. */
const DIGEST = /^[0-9a-f]{64}$/;

/** Browsers send line breaks as CR LF; a reason is kept as it was typed. */
const typedReason = (form: Form): string => (form.get('reason') ?? '').replaceAll('\r\n', '\n');

const parseBallot = (form: Form): Ballot | null => {
  const verdict = form.get('verdict');
  const termsDigest = form.get('terms_digest') ?? '';
  if (verdict !== 'approve' && verdict !== 'deny') return null;
  const token = form.get(verdict === 'approve' ? 'approve_token' : 'deny_token') ?? '';
  return {
    verdict,
    reason: typedReason(form).trim(),
    termsDigest: DIGEST.test(termsDigest) ? termsDigest : '',
    token,
  };
};

/** `refused` null: told as forged. */
type RefusedBallot = Mishap & { readonly refused: VoteReason | null };

const EXPIRED_PAGE: RefusedBallot = {
  refused: 'page_expired',
  status: 403,
  problem: 'This page was open for more than ten minutes. Look at it once more, then press again.',
};
const STALE_PAGE: RefusedBallot = {
  refused: null,
  status: 403,
  problem: 'This page was not made for your present sign-in. Look at it once more, then press again.',
};
const NO_REASON: RefusedBallot = {
  refused: 'reason_missing',
  status: 422,
  problem: 'Give a reason: it is part of what is recorded.',
};
const LONG_REASON: RefusedBallot = {
  refused: 'reason_too_long',
  status: 422,
  problem: `The reason is too long: at most ${REASON_MAX_LENGTH} characters.`,
};

/** What is wrong with a ballot that could count, null if nothing is. */
const checkBallot = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  { request, ballot }: { readonly request: ApprovalRequest; readonly ballot: Ballot },
): Promise<RefusedBallot | null> => {
  const action = {
    sessionDigest: sessionOf(context).digest,
    requestId: request.requestId,
    termsDigest: ballot.termsDigest,
    verdict: ballot.verdict,
  };
  const bad = checkActionToken(parts.actionKey, action, { token: ballot.token, now: parts.clock() });
  if (bad === 'expired') return EXPIRED_PAGE;
  if (bad === 'invalid') {
    await tellRefusal(parts, context, { event: 'csrf.blocked', reason: 'action_token' });
    return STALE_PAGE;
  }
  if (ballot.reason === '') return NO_REASON;
  return ballot.reason.length > REASON_MAX_LENGTH ? LONG_REASON : null;
};

/** Whether `castVote` will refuse it whatever the page was: terminal states never go back, owners never vote. */
const cannotCount = (
  request: ApprovalRequest,
  owners: readonly { tenant: string; object: string }[],
  voter: { tenant: string; object: string },
): boolean => stateNow(request) !== 'pending' || owners.some((owner) => isSamePrincipal(owner, voter));

const NOTICES = {
  already_decided: 'Your vote did not count: the request is already decided. Nothing was changed by it.',
  already_voted: 'You have already voted on this request. Nothing was changed by the second vote.',
  not_eligible_now:
    'Your vote did not count: policy has changed, and no longer lets a group of yours decide on this.',
  policy_denies: 'Your approval did not count: policy has changed, and denies this now.',
  terms_changed:
    'Your vote did not count: the terms changed after your page was made. Read what it says now, then decide.',
} as const;

type SettledOutcome = Exclude<VoteOutcome, { readonly overtaken: true }>;

const answerOutcome = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  { request, outcome }: { readonly request: ApprovalRequest; readonly outcome: SettledOutcome },
): Promise<void> => {
  if ('outcome' in outcome) return redirect(context, `/approvals/${request.requestId}`);
  const fresh = await findForApprover(parts.database, sessionOf(context), request.requestId);
  if (fresh === null) return answerRefusal(parts, context, notFound);
  switch (outcome.refused) {
    case 'not_found':
    case 'not_eligible':
      return answerRefusal(parts, context, notFound);
    case 'owner':
      return answerRefusal(parts, context, selfApproval);
    case 'sign_in_too_old':
      return showApproval(parts, context, {
        request: fresh,
        mishap: { status: 403, notice: 'Your vote did not count: your sign-in is older than an hour.' },
      });
    case 'already_decided':
    case 'already_voted':
    case 'not_eligible_now':
    case 'policy_denies':
    case 'terms_changed':
      return showApproval(parts, context, {
        request: fresh,
        mishap: { status: 409, notice: NOTICES[outcome.refused] },
      });
  }
};

/** False: registry or policy moved meanwhile, and nothing was done. */
const attemptVote = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  ballot: Ballot,
): Promise<boolean> => {
  const request = await requestOf(parts, context);
  const { verdict } = ballot;
  if (request === null) {
    await tellRefusedVote(parts, context, { refused: 'not_found', verdict, request });
    answerRefusal(parts, context, notFound);
    return true;
  }
  const registry = parts.registry();
  const owners = ownersOf(registry, request.agentId);
  const decided = await decisionNow(parts, registry, request);
  if (owners === null || decided === null) {
    await tellRefusedVote(parts, context, { refused: 'agent_gone', verdict, request });
    const mishap = { status: 409, notice: 'Your vote did not count: the agent is not registered any more.' };
    await showApproval(parts, context, { request, mishap });
    return true;
  }
  const session = sessionOf(context);
  if (!cannotCount(request, owners, session)) {
    const mishap = await checkBallot(parts, context, { request, ballot });
    if (mishap !== null) {
      const { refused } = mishap;
      if (refused !== null) await tellRefusedVote(parts, context, { refused, verdict, request });
      await showApproval(parts, context, { request, mishap });
      return true;
    }
  }
  const outcome = await castVote(parts.database, {
    requestId: request.requestId,
    verdict,
    reason: ballot.reason.slice(0, REASON_MAX_LENGTH).toWellFormed(),
    termsDigest: ballot.termsDigest,
    approver: session,
    owners,
    registryRevision: registry.revision,
    decisionNow: decided,
    traceId: context.state.traceId,
  });
  if ('overtaken' in outcome) return false;
  await answerOutcome(parts, context, { request, outcome });
  return true;
};

/** A revision that moves is caught up with; more often than this in a row something else is wrong. */
const ATTEMPTS = 5;

/** Who may vote cannot be told: nobody votes, and nothing was changed. */
class VoteUnavailable extends Error {
  override readonly name = 'VoteUnavailable';
  readonly retryAfterSeconds = 1;
}

const vote = async (parts: ConsoleParts, context: ConsoleContext, ballot: Ballot): Promise<void> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (await attemptVote(parts, context, ballot)) return;
    try {
      await parts.catchUp();
    } catch (cause) {
      throw new VoteUnavailable('the revisions in force could not be loaded', { cause });
    }
  }
  throw new VoteUnavailable('the vote was overtaken too often');
};

export const voteRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  const ballots = new WeakMap<ConsoleContext['req'], Ballot>();
  router.post(
    '/approvals/:request_id',
    requireSameOrigin(parts),
    async (context, next) => {
      const form = await formOf(parts, context);
      if (form === null) return;
      const ballot = parseBallot(form);
      context.state.typed = typedReason(form);
      if (ballot !== null) ballots.set(context.req, ballot);
      await next();
    },
    requireSession(parts),
    async (context) => {
      const ballot = ballots.get(context.req);
      if (ballot === undefined) {
        await tellRefusal(parts, context, { event: 'console.refused', reason: 'form_malformed' });
        answerRefusal(parts, context, malformed('Neither approve nor deny was pressed.'));
      } else if (await keepsPace(parts, context, 'vote')) await vote(parts, context, ballot);
    },
  );
};
