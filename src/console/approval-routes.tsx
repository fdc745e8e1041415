/** One request of the queue. Reading changes nothing, however often and by whatever it is fetched. */
import type Router from '@koa/router';
import { ApprovalPage } from '../../views/approval-page.tsx';
import { Standing } from '../../views/standing.tsx';
import { type ApprovalRequest, findForApprover } from '../access/approval-queue.ts';
import { findUnusual } from '../access/unusual.ts';
import { whoIsWho } from '../access/who-is-who.ts';
import { answerLive, answerPage, answerRefusal, pageContext } from './answers.tsx';
import { approvalModel, standingModel, stateNow } from './approval-model.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { decisionModel } from './decision-model.ts';
import { decisionNow } from './decision-now.ts';
import { requireRole, requireSession } from './guards.tsx';
import { heldDenial } from './held-denial.ts';
import { parseNarrowing } from './narrowing-form.ts';
import { mayShortenOf, narrowedRequest, narrowingModel } from './narrowing-model.ts';
import { namesOf } from './people.ts';
import { notFound } from './refusals.ts';
import { requestIdOf } from './request-address.ts';
import { mayApprove } from './roles.ts';
import type { Session } from './sessions.ts';
import { shownOf } from './shown.ts';
import { tellRefusal } from './tell-refusal.ts';

/** The session that the guard demanded. */
export const sessionOf = (context: ConsoleContext): Session => {
  const { session } = context.state;
  if (session === null) throw new Error('a route without its guard');
  return session;
};

/** The request of the address, if it exists and this person's groups may decide it; else null. */
export const requestOf = async (
  parts: ConsoleParts,
  context: ConsoleContext,
): Promise<ApprovalRequest | null> => {
  const id = requestIdOf(context);
  return id === null ? null : findForApprover(parts.database, sessionOf(context), id);
};

/** What became of a vote that did not count. */
export type Mishap = {
  readonly status: number;
  /** Said at the form, if the person can simply press again. */
  readonly problem?: string;
  /** Whether that is the reason itself. */
  readonly reasonWrong?: boolean;
  /** Said above everything. */
  readonly notice?: string;
};

/** What the page is made for: the request, what the person leaves of it, and what became of their vote. */
export type Showing = {
  readonly request: ApprovalRequest;
  /** The form that narrows the terms, as a query string; empty: nothing is narrowed. */
  readonly narrow: string;
  readonly mishap?: Mishap;
};

/** Renders the request's page as it is now, with what the person typed. */
export const showApproval = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  { request, narrow, mishap }: Showing,
): Promise<void> => {
  const session = sessionOf(context);
  const registry = parts.registry();
  const who = whoIsWho(registry, request.agentId);
  const now = stateNow(request) === 'pending' ? await decisionNow(parts, registry, request) : null;
  const names = await namesOf(parts.database, who?.owners ?? []);
  const mayShorten = mayShortenOf(registry, request.audience);
  const parsed = parseNarrowing(narrow, request.terms, mayShorten);
  const narrowing = parsed !== null && 'narrowing' in parsed ? parsed.narrowing : null;
  const shown = narrowedRequest(request, narrowing);
  const unusual = await findUnusual(parts.database, shown);
  const model = {
    ...approvalModel(shown, {
      registry,
      names,
      policyRevision: parts.policyRevision(),
      reader: session,
      decisionNow: now,
    }),
    standing: standingModel(request, session),
    decision: decisionModel(shown, {
      session,
      who,
      decisionNow: now,
      actionKey: parts.actionKey,
      now: parts.clock(),
      typed: context.state.typed,
      problem: mishap?.problem ?? null,
      reasonWrong: mishap?.reasonWrong ?? false,
      shown: now === null ? '' : shownOf(shown, registry, now),
      narrowing: narrowingModel(request, {
        sent: narrowing === null ? null : narrow,
        problem: parsed !== null && 'problem' in parsed ? parsed.problem : null,
        mayShorten,
      }),
    }),
    denial:
      request.state === 'denied'
        ? await heldDenial(parts, context, {
            requestId: request.requestId,
            typed: '',
            problem: null,
            reasonWrong: false,
          })
        : null,
    unusual,
    notice: mishap?.notice ?? null,
  };
  const page = (tag: string) => <ApprovalPage page={pageContext(parts, context)} model={model} tag={tag} />;
  if (mishap === undefined) answerLive(context, <Standing standing={model.standing} />, page);
  else answerPage(context, page(''), mishap.status);
};

const showRequest = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const request = await requestOf(parts, context);
  if (request !== null) return showApproval(parts, context, { request, narrow: context.querystring });
  await tellRefusal(parts, context, { event: 'console.refused', reason: 'request_hidden' });
  answerRefusal(parts, context, notFound);
};

export const approvalRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  const approver = [requireSession(parts), requireRole(parts, mayApprove, 'the app role Approver')] as const;
  router.get('/approvals/:request_id', ...approver, (context) => showRequest(parts, context));
};
