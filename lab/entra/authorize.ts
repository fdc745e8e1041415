/**
 * The authorization endpoint for people: code flow with PKCE, by the account form or by the sign-in that the browser
 * still has. A refusal goes back to the application only when its reply address is registered; before that is known
 * it is shown here, so that nobody can use this endpoint to send a browser elsewhere.
 */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { describeFailure, EntraFailure } from './failure.ts';
import type { SignIn, SignIns } from './sign-ins.ts';
import type { Tenant } from './tenant.ts';

const MAX_AGE = /^\d{1,9}$/;
/** SHA-256 in base64url (RFC 7636 section 4.2). */
const S256_CHALLENGE = /^[A-Za-z0-9_-]{43}$/;

/** An authorization request whose client and reply address are registered. */
export type AuthorizationRequest = {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly responseMode: 'query' | 'form_post';
  readonly state: string | undefined;
  readonly nonce: string | undefined;
  readonly scope: string;
  readonly codeChallenge: string | undefined;
  readonly prompt: string | undefined;
  readonly maxAgeSeconds: number | undefined;
  /** `acrs` of the claims that are asked for; undefined for none. */
  readonly context: string | undefined;
  readonly loginHint: string;
  readonly wantsClientInfo: boolean;
};

/** Where the browser goes next, with what. */
export type AuthorizationResponse = {
  readonly redirectUri: string;
  readonly responseMode: 'query' | 'form_post';
  readonly fields: ReadonlyMap<string, string>;
};

const claimsRequest = z.object({
  id_token: z.object({ acrs: z.object({ value: z.string().regex(/^c[1-9][0-9]?$/) }) }),
});

/** The authentication context that the claims parameter (OpenID Connect Core section 5.5) asks for. */
const contextOf = (claims: string | null): string | undefined => {
  try {
    return claimsRequest.safeParse(JSON.parse(claims ?? '')).data?.id_token.acrs.value;
  } catch {
    return undefined;
  }
};

/** Reads who asks and where the answer may go. @throws EntraFailure when that is not registered: show it, send nothing */
export const readAuthorizationRequest = (tenant: Tenant, query: URLSearchParams): AuthorizationRequest => {
  const clientId = query.get('client_id') ?? '';
  const redirectUri = query.get('redirect_uri') ?? '';
  if (clientId.toLowerCase() !== tenant.world.broker.clientId) {
    throw new EntraFailure(
      700016,
      `Application with identifier '${clientId}' was not found in the directory '${tenant.id}'.`,
    );
  }
  if (!tenant.registrations.isRedirectUri(redirectUri)) {
    throw new EntraFailure(
      50011,
      `The redirect URI '${redirectUri}' specified in the request does not match the redirect URIs configured for ` +
        `the application '${clientId}'.`,
    );
  }
  const maxAge = query.get('max_age') ?? '';
  return {
    clientId: tenant.world.broker.clientId,
    redirectUri,
    responseMode: query.get('response_mode') === 'form_post' ? 'form_post' : 'query',
    state: query.get('state') ?? undefined,
    nonce: query.get('nonce') ?? undefined,
    scope: query.get('scope') ?? '',
    codeChallenge: query.get('code_challenge') ?? undefined,
    prompt: query.get('prompt') ?? undefined,
    context: contextOf(query.get('claims')),
    maxAgeSeconds: MAX_AGE.test(maxAge) ? Number(maxAge) : undefined,
    loginHint: query.get('login_hint') ?? '',
    wantsClientInfo: query.get('client_info') === '1',
  };
};

/** Checks what is asked. @throws EntraFailure to be sent to the application */
export const checkAuthorizationRequest = (request: AuthorizationRequest, query: URLSearchParams): void => {
  const missing = ['response_type', 'scope'].find((name) => !query.get(name));
  if (missing !== undefined) {
    throw new EntraFailure(900144, `The request body must contain the following parameter: '${missing}'.`);
  }
  if (query.get('response_type') !== 'code') {
    throw new EntraFailure(
      700054,
      `response_type '${query.get('response_type')}' is not enabled for the application.`,
    );
  }
  if (!['query', 'form_post', null].includes(query.get('response_mode'))) {
    throw new EntraFailure(
      90014,
      "The parameter 'response_mode' has a value that this stand-in does not know.",
    );
  }
  const { codeChallenge } = request;
  const pkce = codeChallenge !== undefined || query.has('code_challenge_method');
  if (pkce && (!S256_CHALLENGE.test(codeChallenge ?? '') || query.get('code_challenge_method') !== 'S256')) {
    throw new EntraFailure(
      90014,
      'A code_challenge of 43 characters and the code_challenge_method S256 are required.',
    );
  }
  const scopes = request.scope.split(' ').filter((scope) => scope !== '');
  const unknown = scopes.find((scope) => !['openid', 'profile', 'email', 'offline_access'].includes(scope));
  if (unknown !== undefined || !scopes.includes('openid')) {
    throw new EntraFailure(
      70011,
      `The provided value for the input parameter 'scope' is not valid: '${request.scope}'.`,
    );
  }
};

/** The sign-in that the browser still has, if this request can be answered with it; otherwise the form must be shown. */
export const reusableSignIn = (
  request: AuthorizationRequest,
  known: SignIn | undefined,
  now: Date,
): SignIn | undefined => {
  if (known === undefined || request.prompt === 'login' || request.prompt === 'select_account')
    return undefined;
  const ageSeconds = (now.getTime() - known.authTime.getTime()) / 1000;
  // At 0 a person must sign in again, however quick they were (OpenID Connect Core section 3.1.2.1).
  if (request.maxAgeSeconds !== undefined && ageSeconds >= request.maxAgeSeconds) return undefined;
  if (request.context !== undefined && !known.contexts.includes(request.context)) return undefined;
  if (request.loginHint !== '' && request.loginHint.toLowerCase() !== known.person.username) return undefined;
  return known;
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Checks a typed user name and password; undefined when they are nobody's. */
export const checkPassword = (
  tenant: Tenant,
  request: AuthorizationRequest,
  { form, now }: { readonly form: URLSearchParams; readonly now: Date },
): SignIn | undefined => {
  const username = (form.get('username') ?? '').trim().toLowerCase();
  const person = tenant.world.people.find((candidate) => candidate.username === username);
  if (person === undefined) return undefined;
  const matches = timingSafeEqual(digest(form.get('password') ?? ''), digest(person.password));
  return matches
    ? { person, authTime: now, contexts: request.context === undefined ? [] : [request.context] }
    : undefined;
};

const respond = (
  request: AuthorizationRequest,
  fields: readonly (readonly [string, string | undefined])[],
): AuthorizationResponse => ({
  redirectUri: request.redirectUri,
  responseMode: request.responseMode,
  fields: new Map(
    [...fields, ['state', request.state] as const].flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    ),
  ),
});

/** The answer that signs a person in. */
export const grantCode = (
  lab: { readonly tenant: Tenant; readonly signIns: SignIns },
  request: AuthorizationRequest,
  signIn: SignIn & { readonly now: Date },
): AuthorizationResponse => {
  const { person, authTime, contexts, now } = signIn;
  const { clientId, redirectUri, scope, nonce, codeChallenge } = request;
  const code = lab.signIns.issueCode(
    { person, authTime, contexts, clientId, redirectUri, scope, nonce, codeChallenge },
    now,
  );
  const clientInfo = JSON.stringify({ uid: person.objectId, utid: lab.tenant.id });
  return respond(request, [
    ['code', code],
    ['client_info', request.wantsClientInfo ? Buffer.from(clientInfo).toString('base64url') : undefined],
    ['session_state', randomUUID()],
  ]);
};

/** The answer that refuses, in Entra's words. */
export const refuse = (
  request: AuthorizationRequest,
  failure: EntraFailure,
  now: Date,
): AuthorizationResponse =>
  respond(request, [
    ['error', failure.error],
    ['error_description', describeFailure(failure, now, randomUUID(), randomUUID())],
  ]);
