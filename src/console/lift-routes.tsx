/**
 * Lifting a denial, by its form alone: a post from a page of ours, of this session, for this request. Whoever may not
 * in any case is refused by `liftDenial` without that, so that the trail has it.
 */
import type Router from '@koa/router';
import { REASON_MAX_LENGTH } from '../../views/reason-area.tsx';
import { checkLifter, findDenied, type LiftRefusal, liftDenial } from '../access/lift-denial.ts';
import type { Form } from '../http/form.ts';
import { answerRefusal, redirect } from './answers.tsx';
import { type Mishap, sessionOf } from './approval-routes.tsx';
import { checkForm } from './ballot.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { requireSameOrigin, requireSession } from './guards.tsx';
import { liftAction, lifterOf } from './held-denial.ts';
import { keepsPace } from './pace.tsx';
import { postedForm, readPost, reasonOf } from './posts.ts';
import { notFound, selfApproval } from './refusals.ts';
import { requestIdOf } from './request-address.ts';
import { tellRefusedVote } from './tell-refusal.ts';
import { showTrace } from './trace-routes.tsx';
import { untilCurrent } from './until-current.ts';

const MISHAPS = {
  sign_in_too_old: { status: 403, notice: 'Nothing was lifted: your sign-in is older than an hour.' },
  step_up_missing: {
    status: 403,
    notice: 'Nothing was lifted: the rule asks for a more recent or a stronger sign-in.',
  },
  denial_over: {
    status: 409,
    notice: 'Nothing was lifted by you: the denial was lifted before, or its time is over.',
  },
  agent_gone: { status: 409, notice: 'Nothing was lifted: the agent is not registered any more.' },
} as const satisfies Record<string, Mishap>;

const answerRefused = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  refused: LiftRefusal,
): Promise<void> => {
  switch (refused) {
    case 'not_found':
    case 'not_eligible':
      return answerRefusal(parts, context, notFound);
    case 'owner':
    case 'not_a_person':
      return answerRefusal(parts, context, selfApproval);
    case 'sign_in_too_old':
    case 'step_up_missing':
    case 'denial_over':
      return showTrace(parts, context, MISHAPS[refused]);
  }
};

/** False: the registry moved meanwhile, and nothing was done. */
const attemptLift = async (parts: ConsoleParts, context: ConsoleContext, form: Form): Promise<boolean> => {
  const id = requestIdOf(context);
  const denied = id === null ? null : await findDenied(parts.database, id);
  if (denied === null) {
    await tellRefusedVote(parts, context, { refused: 'not_found', verdict: 'lift', request: null });
    answerRefusal(parts, context, notFound);
    return true;
  }
  const session = sessionOf(context);
  const registryRevision = parts.registry().revision;
  const lifter = lifterOf(parts, session, denied.agentId);
  if (lifter === null) {
    await tellRefusedVote(parts, context, { refused: 'agent_gone', verdict: 'lift', request: denied });
    await showTrace(parts, context, MISHAPS.agent_gone);
    return true;
  }
  const reason = reasonOf(form);
  if (denied.heldUntil !== null && checkLifter(denied.terms, lifter, denied.now) === undefined) {
    const action = liftAction(session, denied);
    const token = form.get('lift_token') ?? '';
    const mishap = await checkForm(parts, context, { action, token, reason });
    if (mishap !== null) {
      const { refused } = mishap;
      if (refused !== null)
        await tellRefusedVote(parts, context, { refused, verdict: 'lift', request: denied });
      await showTrace(parts, context, mishap);
      return true;
    }
  }
  const outcome = await liftDenial(parts.database, {
    ...lifter,
    requestId: denied.requestId,
    reason: reason.slice(0, REASON_MAX_LENGTH).toWellFormed(),
    registryRevision,
    traceId: context.state.traceId,
  });
  if ('overtaken' in outcome) return false;
  if ('refused' in outcome) await answerRefused(parts, context, outcome.refused);
  else redirect(context, `/requests/${denied.requestId}`);
  return true;
};

export const liftRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.post(
    '/requests/:request_id',
    requireSameOrigin(parts),
    readPost(parts),
    requireSession(parts),
    async (context) => {
      if (await keepsPace(parts, context, 'vote'))
        await untilCurrent(parts, () => attemptLift(parts, context, postedForm(context)));
    },
  );
};
