/**
 * Who reads a page that tools read too. A workload shows its own Entra assertion with a reading role (RFC 6750) and
 * gets JSON; cookies do not count there, and both at once is an attempt to be two callers. Registered agents never
 * read the trail. Everybody else is a person with a session.
 */
import type { RouterMiddleware } from '@koa/router';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { readCookie } from './cookies.ts';
import { requireSession } from './guards.tsx';
import { mayReadTrail } from './roles.ts';

type Refusal = {
  readonly status: 400 | 401 | 403 | 404;
  readonly error: 'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'not_found';
  readonly description: string;
};

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

const checkWorkload = async (parts: ConsoleParts, context: ConsoleContext): Promise<Refusal | null> => {
  const { authorization } = context.req.headers;
  if (authorization !== undefined && readCookie(context, parts.url, 'session') !== null) {
    return {
      status: 400,
      error: 'invalid_request',
      description: 'send a session cookie or Bearer, not both',
    };
  }
  const assertion = BEARER.exec(authorization ?? '')?.[1];
  const verified =
    assertion === undefined ? undefined : await parts.verifyAssertion(assertion, parts.clock());
  if (verified === undefined || 'reason' in verified) {
    return { status: 401, error: 'invalid_token', description: 'send an Entra assertion as Bearer' };
  }
  const { tenantId: tenant, objectId: object, roles } = verified.workload;
  if (parts.registry().agentOf({ tenant, object }) !== undefined) {
    return { status: 403, error: 'insufficient_scope', description: 'agents do not read the trail' };
  }
  return mayReadTrail(roles)
    ? null
    : { status: 403, error: 'insufficient_scope', description: 'the app role Auditor is needed' };
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
    refuseJson(context, refusal);
  };
};
