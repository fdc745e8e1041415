/** One request's trace, for auditors and for those who may decide on it; as JSON for tools. */
import type Router from '@koa/router';
import { Trace as TraceBody, type TraceModel, TracePage } from '../../views/trace-page.tsx';
import { findForApprover } from '../access/approval-queue.ts';
import { type Trace, traceOf } from '../audit/trace.ts';
import type { Registry } from '../registry/registry.ts';
import { answerLive, answerPage, answerRefusal, pageContext } from './answers.tsx';
import type { Mishap } from './approval-routes.tsx';
import { eventJson, requestJson } from './audit-json.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { deedButton, deedModel } from './deeds.ts';
import { eventModel, peopleIn } from './event-model.ts';
import { heldDenial } from './held-denial.ts';
import { type Names, namesOf } from './people.ts';
import { answerJson, asksForJson, refuseJson, requireReader } from './readers.ts';
import { notFound } from './refusals.ts';
import { grantPathOf, requestIdOf } from './request-address.ts';
import { mayReadTrail, mayTakeBack } from './roles.ts';
import { tellRefusal } from './tell-refusal.ts';

/** What was refused when no request was opened, in names of the registry only: what else was asked for is a stranger's word. */
const refusedIn = (registry: Registry, events: Trace['events']): TraceModel['refused'] => {
  for (const { agentId, body } of events) {
    const agent = registry.agents.get(agentId ?? '');
    const resource = typeof body.audience === 'string' ? registry.resources.get(body.audience) : undefined;
    const scopes = Array.isArray(body.scopes) ? body.scopes.filter((scope) => typeof scope === 'string') : [];
    const known = scopes.length > 0 && scopes.every((scope) => resource?.scopes.has(scope));
    if (agent !== undefined && resource !== undefined && known)
      return { agent: agent.name, scopes, resource: resource.name };
  }
  return null;
};

const traceModel = (
  parts: ConsoleParts,
  requestId: string,
  { trace, names }: { readonly trace: Trace; readonly names: Names },
): TraceModel => {
  const registry = parts.registry();
  const { request, events } = trace;
  const resource = request === null ? undefined : registry.resources.get(request.audience);
  return {
    requestId,
    request:
      request === null
        ? null
        : {
            agent: registry.agents.get(request.agentId)?.name ?? request.agentId,
            scopes: request.scopes,
            resource: resource?.name ?? request.audience,
            environment: resource?.environment ?? null,
            sensitivity: resource?.sensitivity ?? null,
            state: request.state,
          },
    refused: request === null ? refusedIn(registry, events) : null,
    events: events.map((event) => eventModel(event, names)),
  };
};

/** Whether this person may read the trace: by role, or because the request is theirs to decide. */
const mayRead = async (parts: ConsoleParts, context: ConsoleContext, id: string): Promise<boolean> => {
  const { session } = context.state;
  if (session === null) return false;
  return mayReadTrail(session.roles) || (await findForApprover(parts.database, session, id)) !== null;
};

/** What ends the grant, for those who may and while it goes on. */
const deedOf = (
  parts: ConsoleParts,
  context: ConsoleContext,
  request: Trace['request'],
  problem: string | null,
) => {
  if (request === null || !mayTakeBack(context.state.session?.roles ?? [])) return null;
  const { requestId, grant } = request;
  if (grant === null || grant.state === 'ended') return null;
  const button = { deed: 'end_grant', subject: requestId, name: 'End the grant' } as const;
  return deedModel(context, grantPathOf(requestId), {
    buttons: [deedButton(parts, context, button)],
    problem,
  });
};

const hidden = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  await tellRefusal(parts, context, { event: 'console.refused', reason: 'request_hidden' });
  answerRefusal(parts, context, notFound);
};

/** The trace as a page, for a person who may read it; `mishap`: what became of lifting its denial or ending its grant. */
export const showTrace = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  mishap: Mishap | null = null,
): Promise<void> => {
  const id = requestIdOf(context);
  if (id === null || !(await mayRead(parts, context, id))) return hidden(parts, context);
  const trace = await traceOf(parts.database, id);
  if (trace === null) return answerRefusal(parts, context, notFound);
  const names = await namesOf(parts.database, peopleIn(trace.events));
  const model = traceModel(parts, id, { trace, names });
  const { typed } = context.state;
  const { problem = null, reasonWrong = false } = mishap ?? {};
  const denied = trace.request?.state === 'denied';
  const denial = denied
    ? await heldDenial(parts, context, { requestId: id, typed, problem, reasonWrong })
    : null;
  const deed = deedOf(parts, context, trace.request, problem);
  const unplaced = denial === null && deed === null ? problem : null;
  const above = { denial, deed, notice: mishap?.notice ?? unplaced };
  const page = (tag: string) => (
    <TracePage page={pageContext(parts, context)} model={model} above={above} tag={tag} />
  );
  if (mishap === null) answerLive(context, <TraceBody model={model} />, page);
  else answerPage(context, page(''), mishap.status);
};

/** The trace as JSON, for a tool that showed who it is. */
const tellTrace = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const id = requestIdOf(context);
  const trace = id === null ? null : await traceOf(parts.database, id);
  if (trace === null)
    return refuseJson(context, { status: 404, error: 'not_found', description: 'no such request' });
  const { request, events } = trace;
  answerJson(context, {
    request: request === null ? null : requestJson(request),
    events: events.map(eventJson),
  });
};

export const traceRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/requests/:request_id', requireReader(parts), (context) =>
    asksForJson(context) ? tellTrace(parts, context) : showTrace(parts, context),
  );
};
