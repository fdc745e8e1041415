/** The token endpoints, v1 and v2: `client_credentials` for workloads, `authorization_code` for people. */
import { createHash } from 'node:crypto';
import { type AuthenticatedClient, authenticateClient } from './client-authentication.ts';
import { EntraFailure } from './failure.ts';
import type { CodeGrant, SignIns } from './sign-ins.ts';
import type { Tenant } from './tenant.ts';
import { EXPIRES_IN_SECONDS, issueSignIn, issueV1Token, issueV2Token } from './tokens.ts';

export type TokenRequest = {
  readonly form: URLSearchParams;
  /** The `Authorization` header, empty if there was none. */
  readonly authorization: string;
  readonly now: Date;
};

type TokenResponse = Readonly<Record<string, unknown>>;

const DEFAULT_SCOPE_SUFFIX = '/.default';

const requireParameter = (form: URLSearchParams, name: string): string => {
  const value = form.get(name);
  if (value) return value;
  throw new EntraFailure(900144, `The request body must contain the following parameter: '${name}'.`);
};

/** Checks that `resource` is the broker's registration, the only API that this tenant has. */
const checkResource = (tenant: Tenant, resource: string): void => {
  const { appIdUri, clientId } = tenant.world.broker;
  if (resource === appIdUri || resource.toLowerCase() === clientId) return;
  throw new EntraFailure(
    500011,
    `The resource principal named ${resource} was not found in the tenant named ${tenant.id}.`,
  );
};

const issueByScope = (tenant: Tenant, client: AuthenticatedClient, request: TokenRequest): TokenResponse => {
  const scope = requireParameter(request.form, 'scope');
  // Libraries add the OIDC scopes to whatever was asked; they mean nothing for a workload.
  const asked = scope
    .split(' ')
    .filter((name) => !['', 'openid', 'profile', 'offline_access'].includes(name));
  const [only = '', ...more] = asked;
  if (more.length > 0 || !only.endsWith(DEFAULT_SCOPE_SUFFIX)) {
    throw new EntraFailure(
      1002012,
      `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with ` +
        '/.default suffixed to the resource identifier (application ID URI).',
    );
  }
  checkResource(tenant, only.slice(0, -DEFAULT_SCOPE_SUFFIX.length));
  return {
    token_type: 'Bearer',
    expires_in: EXPIRES_IN_SECONDS,
    ext_expires_in: EXPIRES_IN_SECONDS,
    access_token: issueV2Token(tenant, client.application, client.proof, request.now),
  };
};

const issueByResource = (
  tenant: Tenant,
  client: AuthenticatedClient,
  request: TokenRequest,
): TokenResponse => {
  const resource = requireParameter(request.form, 'resource');
  checkResource(tenant, resource);
  const { proof, application } = client;
  const seconds = Math.floor(request.now.getTime() / 1000);
  // v1 answers give their numbers as strings.
  return {
    token_type: 'Bearer',
    expires_in: String(EXPIRES_IN_SECONDS),
    ext_expires_in: String(EXPIRES_IN_SECONDS),
    expires_on: String(seconds + EXPIRES_IN_SECONDS),
    not_before: String(seconds),
    resource,
    access_token: issueV1Token(tenant, application, { proof, audience: resource, now: request.now }),
  };
};

const redeem = (signIns: SignIns, client: AuthenticatedClient, request: TokenRequest): CodeGrant => {
  const grant = signIns.redeemCode(requireParameter(request.form, 'code'), request.now);
  if (grant === 'used') {
    throw new EntraFailure(
      54005,
      'OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing ' +
        'refresh token.',
    );
  }
  if (grant === 'expired') {
    throw new EntraFailure(
      70008,
      'The provided authorization code or refresh token has expired due to inactivity.',
    );
  }
  if (grant === 'unknown' || grant.clientId !== client.application.clientId) {
    throw new EntraFailure(9002313, 'Invalid request. Request is malformed or invalid.');
  }
  return grant;
};

/** RFC 7636 section 4.6. */
const checkVerifier = (grant: CodeGrant, verifier: string | null): void => {
  if (grant.codeChallenge === undefined && !verifier) return;
  const challenge = createHash('sha256')
    .update(verifier ?? '')
    .digest('base64url');
  if (verifier && challenge === grant.codeChallenge) return;
  throw new EntraFailure(
    501481,
    'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
  );
};

const redeemCode = (
  { tenant, signIns }: { readonly tenant: Tenant; readonly signIns: SignIns },
  client: AuthenticatedClient,
  request: TokenRequest,
): TokenResponse => {
  const grant = redeem(signIns, client, request);
  if (request.form.get('redirect_uri') !== grant.redirectUri) {
    throw new EntraFailure(
      500112,
      'The reply address does not match the reply address provided when requesting Authorization code.',
    );
  }
  checkVerifier(grant, request.form.get('code_verifier'));
  const { idToken, accessToken } = issueSignIn(
    tenant,
    { ...grant, application: client.application },
    request.now,
  );
  const clientInfo = { uid: grant.person.objectId, utid: tenant.id };
  return {
    token_type: 'Bearer',
    scope: grant.scope,
    expires_in: EXPIRES_IN_SECONDS,
    ext_expires_in: EXPIRES_IN_SECONDS,
    access_token: accessToken,
    id_token: idToken,
    ...(request.form.get('client_info') === '1'
      ? { client_info: Buffer.from(JSON.stringify(clientInfo)).toString('base64url') }
      : {}),
  };
};

/**
 * Answers `POST /{tenant}/oauth2/v2.0/token` (version 2) and `POST /{tenant}/oauth2/token` (version 1).
 * @throws EntraFailure when Entra would refuse
 */
export const answerTokenRequest = async (
  lab: { readonly tenant: Tenant; readonly signIns: SignIns },
  version: 1 | 2,
  request: TokenRequest,
): Promise<TokenResponse> => {
  const grantType = requireParameter(request.form, 'grant_type');
  const client = await authenticateClient(lab.tenant, request.form, request.authorization);
  if (grantType === 'client_credentials' && version === 2) return issueByScope(lab.tenant, client, request);
  if (grantType === 'client_credentials') return issueByResource(lab.tenant, client, request);
  if (grantType === 'authorization_code' && version === 2) return redeemCode(lab, client, request);
  throw new EntraFailure(70003, `The app requested an unsupported grant type '${grantType}'.`);
};
