/** One request's trace, for auditors and for those who may decide on it; as JSON for tools. */
import type Router from '@koa/router';
import { Trace as TraceBody, type TraceModel, TracePage } from '../../views/trace-page.tsx';
import { findForApprover } from '../access/approval-queue.ts';
import { type Trace, traceOf } from '../audit/trace.ts';
import { answerLive, answerRefusal, pageContext } from './answers.tsx';
import { eventJson, requestJson } from './audit-json.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { eventModel, peopleIn } from './event-model.ts';
import { type Names, namesOf } from './people.ts';
import { answerJson, asksForJson, refuseJson, requireReader } from './readers.ts';
import { notFound } from './refusals.ts';
import { requestIdOf } from './request-address.ts';
import { mayReadTrail } from './roles.ts';
import { tellRefusal } from './tell-refusal.ts';

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
    events: events.map((event) => eventModel(event, names)),
  };
};

/** Whether this person may read the trace: by role, or because the request is theirs to decide. */
const mayRead = async (parts: ConsoleParts, context: ConsoleContext, id: string): Promise<boolean> => {
  const { session } = context.state;
  if (session === null) return false;
  return mayReadTrail(session.roles) || (await findForApprover(parts.database, session, id)) !== null;
};

const showTrace = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const id = requestIdOf(context);
  const json = asksForJson(context);
  const allowed = id !== null && (json || (await mayRead(parts, context, id)));
  const trace = allowed ? await traceOf(parts.database, id) : null;
  if (id === null || trace === null) {
    if (json) refuseJson(context, { status: 404, error: 'not_found', description: 'no such request' });
    else {
      if (!allowed) await tellRefusal(parts, context, { event: 'console.refused', reason: 'request_hidden' });
      answerRefusal(parts, context, notFound);
    }
    return;
  }
  if (json) {
    const { request, events } = trace;
    return answerJson(context, {
      request: request === null ? null : requestJson(request),
      events: events.map(eventJson),
    });
  }
  const names = await namesOf(parts.database, peopleIn(trace.events));
  const model = traceModel(parts, id, { trace, names });
  answerLive(context, <TraceBody model={model} />, (tag) => (
    <TracePage page={pageContext(parts, context)} model={model} tag={tag} />
  ));
};

export const traceRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/requests/:request_id', requireReader(parts), (context) => showTrace(parts, context));
};
