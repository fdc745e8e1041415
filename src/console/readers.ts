/**
 * Who reads a page that tools read too. A workload shows its own Entra assertion with a reading role (RFC 6750) and
 * gets JSON; cookies do not count there, and both at once is an attempt to be two callers. Registered agents never
 * read the trail. Everybody else is a person with a session.
 */
import type { RouterMiddleware } from '@koa/router';
import { type RejectedCaller, tellRejectedCaller } from '../audit/rejected-caller.ts';
import { networkOf } from '../http/network.ts';
import { descriptionOf, type Exceeded, exceededHeaders } from '../limits/exceeded.ts';
import { strangerAt } from '../limits/rate-limits.ts';
import type { CallerReason } from '../reasons/caller.ts';
import type { ClientAnswer } from '../reasons/explanation.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { readCookie } from './cookies.ts';
import { requireSession } from './guards.tsx';
import { mayReadTrail } from './roles.ts';

type Refusal = ClientAnswer & { readonly description: string };

const BEARER = /^bearer +([^\s,]+)$/i;

/** Whether a tool asks: it says so by what it accepts, or by showing an assertion. */
export const asksForJson = (context: ConsoleContext): boolean =>
  context.req.headers.authorization !== undefined || context.accepts('html', 'json') === 'json';

/** Answers a tool. */
export const answerJson = (context: ConsoleContext, body: object): void => {
  context.status = 200;
  context.type = 'application/json; charset=utf-8';
  context.body = JSON.stringify(body);
};

/** Refuses a tool, with a challenge where RFC 6750 section 3 wants one. */
export const refuseJson = (context: ConsoleContext, { status, error, description }: Refusal): void => {
  context.status = status;
  if (status === 401 || status === 403) context.set('WWW-Authenticate', `Bearer error="${error}"`);
  context.type = 'application/json; charset=utf-8';
  context.body = JSON.stringify({ error, error_description: description });
};

const checkWorkload = async (
  parts: ConsoleParts,
  context: ConsoleContext,
): Promise<RejectedCaller | { readonly exceeded: Exceeded } | null> => {
  const { authorization } = context.req.headers;
  if (authorization !== undefined && readCookie(context, parts.url, 'session') !== null)
    return { caller: 'bearer_and_cookie' };
  const assertion = BEARER.exec(authorization ?? '')?.[1];
  if (assertion === undefined) return { caller: 'bearer_missing' };
  const from = { address: context.state.clientAddress, now: parts.clock() };
  const verified = await context.state.pause(parts.verifyAssertion(assertion, from));
  if ('exceeded' in verified) return verified;
  if ('reason' in verified) return { assertion: verified.reason };
  const { tenantId: tenant, objectId: object, roles } = verified.workload;
  const workload = { tenant, object };
  if (parts.registry().agentOf(workload) !== undefined) return { caller: 'agent_as_reader', workload };
  return mayReadTrail(roles) ? null : { caller: 'reader_role_missing', workload };
};

const UNPROVEN = 'send an Entra assertion as Bearer';

/** Told to callers that are somebody; everybody else is told how to become one. */
const DESCRIPTIONS: Partial<Readonly<Record<CallerReason, string>>> = {
  bearer_and_cookie: 'send a session cookie or Bearer, not both',
  agent_as_reader: 'agents do not read the trail',
  reader_role_missing: 'the app role Auditor is needed',
};

const refuseReader = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  rejected: RejectedCaller | { readonly exceeded: Exceeded },
): Promise<void> => {
  if ('exceeded' in rejected) {
    const { exceeded } = rejected;
    await parts.limits.tell(exceeded, strangerAt(context.state.clientAddress, context.state.traceId));
    context.set(exceededHeaders(exceeded));
    refuseJson(context, { status: 429, error: 'slow_down', description: descriptionOf(exceeded) });
    return;
  }
  const { status, error } = await tellRejectedCaller(parts.refusals, rejected, {
    endpoint: context.path.split('/', 2).join('/'),
    network: networkOf(context.state.clientAddress),
    traceId: context.state.traceId,
  });
  const description = ('caller' in rejected && DESCRIPTIONS[rejected.caller]) || UNPROVEN;
  refuseJson(context, { status, error, description });
};

/** Lets through workloads that may read, and people with a session, whose roles the route then checks. */
export const requireReader = (parts: ConsoleParts): RouterMiddleware<ConsoleState> => {
  const session = requireSession(parts);
  return async (context, next) => {
    context.vary('Accept');
    context.vary('Authorization');
    if (!asksForJson(context)) return session(context, next);
    const refusal = await checkWorkload(parts, context);
    if (refusal === null) return next();
    await refuseReader(parts, context, refusal);
  };
};
