/** What stands before the routes: headers, failures turned into pages, forged posts, sessions, roles. */
import { randomBytes } from 'node:crypto';
import type { RouterMiddleware } from '@koa/router';
import { readForm } from '../http/form.ts';
import { openOutageLog } from '../http/outage-log.ts';
import { openSlots, SLOTS, TooMuchUnderWay } from '../http/slots.ts';
import { traceIdOf } from '../http/trace-id.ts';
import { retryAfterSecondsOf } from '../http/unavailable.ts';
import { answerRefusal, asksForPart, redirect } from './answers.tsx';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { readCookie } from './cookies.ts';
import { EntraUnavailable } from './entra.ts';
import {
  busy,
  entraUnavailable,
  forged,
  internal,
  malformed,
  roleMissing,
  signedOut,
  signInHref,
  unavailable,
} from './refusals.ts';
import { checkSameOrigin } from './same-origin.ts';
import { securityHeaders } from './security-headers.ts';
import { findSession, sha256 } from './sessions.ts';
import { tellRefusal } from './tell-refusal.ts';

type Middleware = RouterMiddleware<ConsoleState>;

/** Every answer of the console: headers first, and a page also for what was thrown. Tells nothing of the inside. */
export const answerSafely = (parts: ConsoleParts): Middleware => {
  const tellOutage = openOutageLog(parts.logger);
  return async (context, next) => {
    const nonce = randomBytes(16).toString('base64url');
    Object.assign(context.state, {
      nonce,
      traceId: traceIdOf(context.get('traceparent')),
      session: null,
      form: null,
      typed: '',
    });
    context.set(securityHeaders(nonce));
    try {
      await next();
    } catch (error) {
      const { traceId, typed } = context.state;
      const about = { err: error, traceId, method: context.method, path: context.path };
      const retryAfter = retryAfterSecondsOf(error);
      if (retryAfter === null) {
        parts.logger.error(about, 'console answered 500: unexpected error');
        answerRefusal(parts, context, internal(traceId));
        return;
      }
      context.set('Retry-After', String(retryAfter));
      if (error instanceof TooMuchUnderWay) {
        answerRefusal(parts, context, busy);
        return;
      }
      tellOutage(error, about);
      answerRefusal(
        parts,
        context,
        error instanceof EntraUnavailable ? entraUnavailable : unavailable(typed !== ''),
      );
    }
  };
};

/** Sessions remembered as found alive, by their digests. */
const KNOWN_MAX = 10_000;

/**
 * So many pages at a time; others are told to come back at once. Whose session was found alive here before has room apart
 * from all who show one that was not: inventing them costs nothing, and must shut nobody out, least of all from the kill
 * switches. That it was alive decides nothing else: it is looked up every time.
 */
export const boundedPages = (parts: ConsoleParts): Middleware => {
  const pages = openSlots(SLOTS.pages, parts.observeShed);
  const unknownSessions = openSlots(SLOTS.unknownSessions, parts.observeShed);
  const known = new Set<string>();
  const remember = (digest: string): void => {
    known.delete(digest);
    known.add(digest);
    const [oldest] = known;
    if (known.size > KNOWN_MAX && oldest !== undefined) known.delete(oldest);
  };
  return async (context, next) => {
    const id = readCookie(context, parts.url, 'session');
    const digest = id === null ? null : sha256(id).toString('base64');
    const slots = digest === null || known.has(digest) ? pages : unknownSessions;
    await slots((pause) => {
      context.state.pause = pause;
      return next();
    });
    if (digest !== null && context.state.session !== null) remember(digest);
  };
};

/** Only a post from a page of this very origin passes; nothing is read of any other. */
export const requireSameOrigin =
  (parts: ConsoleParts): Middleware =>
  async (context, next) => {
    const { origin, 'sec-fetch-site': fetchSite } = context.req.headers;
    const reason = checkSameOrigin({ origin, fetchSite: fetchSite as string | undefined }, parts.origin);
    if (reason === null) return next();
    await tellRefusal(parts, context, { event: 'csrf.blocked', reason });
    context.set('Connection', 'close');
    answerRefusal(parts, context, forged);
  };

/** The session of the cookie, if it lives. A page refreshing itself does not keep it alive. */
const loadSession = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const id = readCookie(context, parts.url, 'session');
  if (id === null) return;
  context.state.session = await findSession(parts.database, id, { active: !asksForPart(context) });
};

/** Lets through whoever has a session; pages of others lead to the sign-in and back. */
export const requireSession =
  (parts: ConsoleParts): Middleware =>
  async (context, next) => {
    await loadSession(parts, context);
    if (context.state.session !== null) return next();
    const reads = context.method === 'GET' || context.method === 'HEAD';
    if (!reads) {
      await tellRefusal(parts, context, { event: 'console.refused', reason: 'signed_out' });
      answerRefusal(parts, context, signedOut(context.path, 403));
    } else if (asksForPart(context)) answerRefusal(parts, context, signedOut(context.path, 401));
    else redirect(context, signInHref(context.url));
  };

/** Loads the session where one is not needed. */
export const withSession =
  (parts: ConsoleParts): Middleware =>
  async (context, next) => {
    await loadSession(parts, context);
    await next();
  };

/** Refuses a person whose roles are others than `roles`, in words. */
export const refuseRole = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  roles: string,
): Promise<void> => {
  await tellRefusal(parts, context, { event: 'console.refused', reason: 'role_missing' });
  answerRefusal(parts, context, roleMissing(roles));
};

/** Lets through a session that `allowed` accepts; `roles` names in words what that takes. */
export const requireRole =
  (parts: ConsoleParts, allowed: (roles: readonly string[]) => boolean, roles: string): Middleware =>
  async (context, next) => {
    if (allowed(context.state.session?.roles ?? [])) return next();
    await refuseRole(parts, context, roles);
  };

/** The form of a post, null if it was refused (then that is answered). */
export const formOf = async (parts: ConsoleParts, context: ConsoleContext) => {
  // A sender who takes its time takes the place of no page.
  const form = await context.state.pause(readForm(context.req));
  if (!('error' in form)) return form;
  if (form.close) context.set('Connection', 'close');
  await tellRefusal(parts, context, { event: 'console.refused', reason: 'form_malformed' });
  answerRefusal(parts, context, malformed(`The form was refused: ${form.description}.`, form.status));
  return null;
};
