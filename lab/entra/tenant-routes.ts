/** Everything that Entra itself would answer: metadata, keys, tokens and sign-in of the one tenant. */
import { randomUUID } from 'node:crypto';
import { Router, type RouterContext } from '@koa/router';
import {
  type AuthorizationResponse,
  checkAuthorizationRequest,
  checkPassword,
  grantCode,
  readAuthorizationRequest,
  refuse,
  reusableSignIn,
} from './authorize.ts';
import { describeFailure, EntraFailure, renderFailure } from './failure.ts';
import { type Faults, hugeDocument, publishedKeys } from './faults.ts';
import { instanceDiscovery, v1Configuration, v2Configuration } from './metadata.ts';
import { PAGE_POLICY, renderAccountForm, renderFormPost, renderMessage } from './pages.tsx';
import { readForm } from './request-body.ts';
import type { SignIns } from './sign-ins.ts';
import { type Tenant, v1Issuer, v2Issuer } from './tenant.ts';
import { answerTokenRequest } from './token-endpoint.ts';

export type EntraParts = { readonly tenant: Tenant; readonly faults: Faults; readonly signIns: SignIns };

/** A `__Host-` cookie: other ports of this machine cannot read or set it over plain http. */
const SESSION_COOKIE = '__Host-lab-entra';
/** How long `keys_slow` holds an answer when it has no end: longer than any client should wait. */
const SLOW_MS = 30_000;
/** A tenant other than ours, for keys that belong to it. */
const FOREIGN_TENANT = '00000000-0000-4000-8000-000000000000';

const showPage = (ctx: RouterContext, status: number, page: string): void => {
  ctx.status = status;
  ctx.set({
    'Content-Security-Policy': PAGE_POLICY,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  ctx.type = 'html';
  ctx.body = page;
};

const serveKeys = async (
  ctx: RouterContext,
  { tenant, faults }: EntraParts,
  version: 1 | 2,
): Promise<void> => {
  if (faults.inForce() === 'keys_slow') await faults.over(SLOW_MS);
  const fault = faults.inForce();
  const issuer = version === 2 ? v2Issuer(tenant) : undefined;
  const foreignIssuer = (version === 2 ? v2Issuer : v1Issuer)({ ...tenant, id: FOREIGN_TENANT });
  const keys = publishedKeys(tenant.keys, fault, { issuer, foreignIssuer });
  if (fault === 'keys_down') {
    ctx.status = 503;
    ctx.body = 'The service is unavailable.';
    return;
  }
  if (fault === 'keys_redirect') {
    ctx.status = 302;
    ctx.set('Location', `${tenant.authority}/elsewhere/keys`);
    return;
  }
  ctx.type = 'application/json';
  ctx.set('Cache-Control', 'max-age=86400, private');
  ctx.body = fault === 'keys_huge' ? hugeDocument(keys) : { keys };
};

const answerToken = async (ctx: RouterContext, parts: EntraParts, version: 1 | 2): Promise<void> => {
  const now = new Date();
  const correlationId = ctx.get('client-request-id') || randomUUID();
  ctx.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache', 'client-request-id': correlationId });
  try {
    const form = await readForm(ctx.req);
    ctx.body = await answerTokenRequest(parts, version, {
      form,
      authorization: ctx.get('Authorization'),
      now,
    });
  } catch (error) {
    if (!(error instanceof EntraFailure)) throw error;
    ctx.status = error.status;
    ctx.body = renderFailure(error, now, correlationId);
  }
};

const sendBack = (ctx: RouterContext, response: AuthorizationResponse): void => {
  if (response.responseMode === 'form_post') {
    showPage(ctx, 200, renderFormPost(response.redirectUri, response.fields));
    return;
  }
  const target = new URL(response.redirectUri);
  for (const [name, value] of response.fields) target.searchParams.set(name, value);
  ctx.status = 303;
  ctx.set({ Location: target.href, 'Cache-Control': 'no-store' });
};

const authorize = async (ctx: RouterContext, parts: EntraParts): Promise<void> => {
  const now = new Date();
  const query = new URLSearchParams(ctx.querystring);
  const request = readAuthorizationRequest(parts.tenant, query);
  try {
    checkAuthorizationRequest(request, query);
    const session = ctx.cookies.get(SESSION_COOKIE);
    const typed = ctx.method === 'POST' ? await readForm(ctx.req) : undefined;
    const signIn = typed
      ? checkPassword(parts.tenant, request, { form: typed, now })
      : reusableSignIn(request, parts.signIns.recall(session), now);
    if (signIn !== undefined) {
      if (typed) {
        parts.signIns.forget(session);
        ctx.cookies.set(SESSION_COOKIE, parts.signIns.remember(signIn), { secure: true, sameSite: 'lax' });
      }
      sendBack(ctx, grantCode(parts, request, { ...signIn, now }));
      return;
    }
    if (request.prompt === 'none') {
      throw new EntraFailure(50058, 'A silent sign-in request was sent but no user is signed in.');
    }
    const username = typed?.get('username') ?? request.loginHint;
    const problem = typed ? 'AADSTS50126: The user name or password is not right.' : undefined;
    showPage(ctx, typed ? 400 : 200, renderAccountForm({ username, problem }));
  } catch (error) {
    if (!(error instanceof EntraFailure)) throw error;
    sendBack(ctx, refuse(request, error, now));
  }
};

const showFailure = async (ctx: RouterContext, answer: () => Promise<void>): Promise<void> => {
  try {
    await answer();
  } catch (error) {
    if (!(error instanceof EntraFailure)) throw error;
    const text = describeFailure(error, new Date(), randomUUID(), randomUUID());
    showPage(ctx, error.status, renderMessage('Sorry, but signing in does not work', text));
  }
};

const signOut = (ctx: RouterContext, { tenant, signIns }: EntraParts): void => {
  signIns.forget(ctx.cookies.get(SESSION_COOKIE));
  ctx.cookies.set(SESSION_COOKIE, null, { secure: true, sameSite: 'lax' });
  const target = new URLSearchParams(ctx.querystring).get('post_logout_redirect_uri') ?? '';
  if (tenant.registrations.isSignedOutUri(target)) {
    ctx.status = 303;
    ctx.set({ Location: target, 'Cache-Control': 'no-store' });
    return;
  }
  showPage(ctx, 200, renderMessage('Signed out', 'You have signed out of your account.'));
};

/** The routes of the tenant; any other tenant is refused as Entra refuses one that it does not know. */
export const createTenantRoutes = (parts: EntraParts): Router => {
  const { tenant } = parts;
  const router = new Router();
  const base = `/${tenant.id}`;
  router.get(`${base}/v2.0/.well-known/openid-configuration`, (ctx) => {
    ctx.body = v2Configuration(tenant);
  });
  router.get(`${base}/.well-known/openid-configuration`, (ctx) => {
    ctx.body = v1Configuration(tenant);
  });
  router.get('/common/discovery/instance', (ctx) => {
    ctx.body = instanceDiscovery(tenant);
  });
  router.get(`${base}/discovery/v2.0/keys`, (ctx) => serveKeys(ctx, parts, 2));
  router.get(`${base}/discovery/keys`, (ctx) => serveKeys(ctx, parts, 1));
  // Where `keys_redirect` leads: whoever follows comes to trust an attacker's key, and the history shows it.
  router.get('/elsewhere/keys', (ctx) => {
    ctx.body = { keys: [tenant.keys.current(), tenant.keys.foreign].map((key) => key.published) };
  });
  router.post(`${base}/oauth2/v2.0/token`, (ctx) => answerToken(ctx, parts, 2));
  router.post(`${base}/oauth2/token`, (ctx) => answerToken(ctx, parts, 1));
  router.get(`${base}/oauth2/v2.0/authorize`, (ctx) => showFailure(ctx, () => authorize(ctx, parts)));
  router.post(`${base}/oauth2/v2.0/authorize`, (ctx) => showFailure(ctx, () => authorize(ctx, parts)));
  router.get(`${base}/oauth2/v2.0/logout`, (ctx) => signOut(ctx, parts));
  router.all(
    ['/:tenant/oauth2/*rest', '/:tenant/discovery/*rest', '/:tenant{/v2.0}/.well-known/*rest'],
    (ctx, next) => {
      const named = ctx.params.tenant;
      if (named === undefined || named.toLowerCase() === tenant.id) return next();
      const message = `Tenant '${named}' not found. Check to make sure you have the correct tenant ID.`;
      ctx.status = 400;
      ctx.body = renderFailure(new EntraFailure(90002, message), new Date(), randomUUID());
    },
  );
  return router;
};
