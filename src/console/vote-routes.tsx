/**
 * A person's vote. Nothing is believed that the post says but the verdict and the reason: it must come from a page
 * of ours, of this session, for these terms and this verdict. Whatever does not count leaves the typed reason on the
 * page that answers. Votes that cannot count in any case go to `castVote` without their action token, so that the
 * trail has them.
 */
import type Router from '@koa/router';
import { REASON_MAX_LENGTH } from '../../views/reason-area.tsx';
import { list } from '../../views/words.ts';
import type { ApprovalRequest } from '../access/approval-queue.ts';
import { findForApprover } from '../access/approval-queue.ts';
import { findPastTerms } from '../access/narrow-request.ts';
import type { Narrowing } from '../access/narrowing.ts';
import { castVote, type VoteOutcome } from '../access/vote.ts';
import { isOwner, type WhoIsWho, whoIsWho } from '../access/who-is-who.ts';
import type { Principal } from '../registry/registry.ts';
import { answerRefusal, redirect } from './answers.tsx';
import { stateNow } from './approval-model.ts';
import { requestOf, sessionOf, showApproval } from './approval-routes.tsx';
import { type Ballot, checkBallot, parseBallot, type RefusedBallot } from './ballot.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { decisionNow } from './decision-now.ts';
import { requireSameOrigin, requireSession } from './guards.tsx';
import { parseNarrowing } from './narrowing-form.ts';
import { mayShortenOf, narrowedRequest } from './narrowing-model.ts';
import { keepsPace } from './pace.tsx';
import { postedForm, readPost } from './posts.ts';
import { malformed, notFound, selfApproval } from './refusals.ts';
import { changedSince, shownOf } from './shown.ts';
import { tellRefusal, tellRefusedVote } from './tell-refusal.ts';
import { changesOf } from './terms-changes.ts';
import { untilCurrent } from './until-current.ts';

/** Whether `castVote` will refuse it whatever the page was: terminal states never go back, owners never vote. */
const cannotCount = (request: ApprovalRequest, who: WhoIsWho, voter: Principal): boolean =>
  stateNow(request) !== 'pending' || isOwner(who, voter);

const readAgain = (changes: readonly string[]): string =>
  `Your vote did not count: the terms changed after your page was made${changes.length === 0 ? '' : ` (${changes.join('; ')})`}. Read what it says now, then decide.`;

/** Says what is not as the page of this vote had shown it. */
const termsChanged = async (parts: ConsoleParts, fresh: ApprovalRequest, ballot: Ballot): Promise<string> => {
  const before = await findPastTerms(parts.database, fresh.requestId, ballot.termsDigest);
  return readAgain(before === null ? [] : changesOf(before, fresh.terms));
};

const NOTICES = {
  sign_in_too_old: 'Your vote did not count: your sign-in is older than an hour.',
  step_up_missing: 'Your vote did not count: the rule asks for a more recent or a stronger sign-in.',
  already_decided: 'Your vote did not count: the request is already decided. Nothing was changed by it.',
  already_voted: 'You have already voted on this request. Nothing was changed by the second vote.',
  not_eligible_now:
    'Your vote did not count: policy has changed, and no longer lets a group of yours decide on this.',
  policy_denies: 'Your approval did not count: policy has changed, and denies this now.',
  narrowing_invalid: 'Your vote did not count: what you left of the terms is not within what they are now.',
} as const;

type Settled = {
  readonly ballot: Ballot;
  readonly request: ApprovalRequest;
  readonly outcome: Exclude<VoteOutcome, { readonly overtaken: true }>;
};

const answerOutcome = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  { ballot, request, outcome }: Settled,
): Promise<void> => {
  if ('outcome' in outcome) return redirect(context, `/approvals/${request.requestId}`);
  const fresh = await findForApprover(parts.database, sessionOf(context), request.requestId);
  if (fresh === null) return answerRefusal(parts, context, notFound);
  switch (outcome.refused) {
    case 'not_found':
    case 'not_eligible':
      return answerRefusal(parts, context, notFound);
    case 'owner':
    case 'not_a_person':
      return answerRefusal(parts, context, selfApproval);
    case 'sign_in_too_old':
    case 'step_up_missing':
      return showApproval(parts, context, {
        request: fresh,
        narrow: ballot.narrow,
        mishap: { status: 403, notice: NOTICES[outcome.refused] },
      });
    case 'already_decided':
    case 'already_voted':
    case 'not_eligible_now':
    case 'policy_denies':
    case 'narrowing_invalid':
      return showApproval(parts, context, {
        request: fresh,
        narrow: '',
        mishap: { status: 409, notice: NOTICES[outcome.refused] },
      });
    case 'terms_changed':
      return showApproval(parts, context, {
        request: fresh,
        narrow: ballot.narrow,
        mishap: { status: 409, notice: await termsChanged(parts, fresh, ballot) },
      });
  }
};

type Parsed = ReturnType<typeof parseNarrowing>;

const narrowingOf = (parsed: Parsed): Narrowing | null =>
  parsed !== null && 'narrowing' in parsed ? parsed.narrowing : null;

const notWithin = (problem: string): RefusedBallot => ({
  refused: 'narrowing_invalid',
  status: 409,
  problem,
});

/** Null while all that the page showed beside the terms is as it was. */
const checkShown = (ballot: Ballot, now: string): RefusedBallot | null => {
  const changes = changedSince(ballot.shown, now, ballot.verdict);
  if (changes.length === 0) return null;
  const notice = `Your vote did not count: since your page was made, ${list(changes)} changed. Read what it says now, then decide.`;
  return { refused: 'page_changed', status: 409, notice };
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
  const who = whoIsWho(registry, request.agentId);
  const decided = await decisionNow(parts, registry, request);
  if (who === null || decided === null) {
    await tellRefusedVote(parts, context, { refused: 'agent_gone', verdict, request });
    const mishap = { status: 409, notice: 'Your vote did not count: the agent is not registered any more.' };
    await showApproval(parts, context, { request, narrow: '', mishap });
    return true;
  }
  const mayShorten = mayShortenOf(registry, request.audience);
  const parsed = parseNarrowing(ballot.narrow, request.terms, mayShorten);
  const session = sessionOf(context);
  if (!cannotCount(request, who, session)) {
    const mishap =
      (await checkBallot(parts, context, { request, ballot })) ??
      checkShown(ballot, shownOf(narrowedRequest(request, narrowingOf(parsed)), registry, decided)) ??
      (parsed !== null && 'problem' in parsed ? notWithin(parsed.problem) : null);
    if (mishap !== null) {
      const { refused } = mishap;
      if (refused !== null) await tellRefusedVote(parts, context, { refused, verdict, request });
      await showApproval(parts, context, { request, narrow: ballot.narrow, mishap });
      return true;
    }
  }
  const outcome = await castVote(parts.database, {
    requestId: request.requestId,
    verdict,
    reason: ballot.reason.slice(0, REASON_MAX_LENGTH).toWellFormed(),
    narrowing: narrowingOf(parsed),
    mayShorten,
    termsDigest: ballot.termsDigest,
    approver: session,
    who,
    registryRevision: registry.revision,
    decisionNow: decided,
    traceId: context.state.traceId,
  });
  if ('overtaken' in outcome) return false;
  await answerOutcome(parts, context, { ballot, request, outcome });
  return true;
};

export const voteRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.post(
    '/approvals/:request_id',
    requireSameOrigin(parts),
    readPost(parts),
    requireSession(parts),
    async (context) => {
      const ballot = parseBallot(postedForm(context));
      if (ballot === null) {
        await tellRefusal(parts, context, { event: 'console.refused', reason: 'form_malformed' });
        answerRefusal(parts, context, malformed('Neither approve nor deny was pressed.'));
      } else if (await keepsPace(parts, context, 'vote'))
        await untilCurrent(parts, () => attemptVote(parts, context, ballot));
    },
  );
};
