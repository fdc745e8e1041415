/**
 * Signing people in at Entra: authorization code with PKCE through MSAL. MSAL keeps caches of accounts and tokens; a
 * client of its own for every code, forgotten with it, leaves none: of a sign-in only its claims remain.
 */
import { createHash } from 'node:crypto';
import { ConfidentialClientApplication } from '@azure/msal-node';
import { newSecret } from './cookies.ts';
import { type EntraNetwork, openEntraNetwork } from './entra-network.ts';
import { checkIdToken, type IdTokenReason } from './id-token.ts';
import type { Person } from './sessions.ts';

/** The console's application at Entra. */
export type SignInConfig = {
  /** Base of the tenant's authority, such as `https://login.microsoftonline.com`. */
  readonly authority: string;
  /** Lower-case GUID. */
  readonly tenantId: string;
  /** Application (client) id, lower-case GUID. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** PEM of the CA of a private authority, null for Microsoft's own. */
  readonly ca: string | null;
};

/** Secrets of one sign-in, kept until the browser returns. */
export type SignInSecrets = { readonly nonce: string; readonly verifier: string };

/** The way to Entra and back. */
export type Entra = {
  /** Where the browser goes to sign in. Throws `EntraUnavailable`. */
  readonly begin: (signIn: {
    readonly state: string;
    readonly secrets: SignInSecrets;
    /** What to ask even if Entra still knows the browser: for the password again, or for which account; null: neither. */
    readonly prompt: 'login' | 'select_account' | null;
    /** Ask for a proof of who the person is that is at most so old, seconds; null: any. */
    readonly maxAgeSeconds: number | null;
    /** Ask for this authentication context (`c1` to `c99`); null: for none. */
    readonly context: string | null;
  }) => Promise<string>;
  /** The person that an authorization code stands for. Throws `EntraUnavailable`. */
  readonly redeem: (
    code: string,
    secrets: SignInSecrets,
    now: Date,
  ) => Promise<{ readonly person: Person } | { readonly reason: IdTokenReason | 'code' }>;
  /** Where a browser ends its session at Entra itself. */
  readonly signOutUrl: string;
};

/** Entra did not answer, or only with errors of its own: nobody can sign in now. */
export class EntraUnavailable extends Error {
  override readonly name = 'EntraUnavailable';
  readonly retryAfterSeconds = 10;
}

export const newSignInSecrets = (): SignInSecrets => ({ nonce: newSecret(), verifier: newSecret() });

/** Strangers can begin any number of sign-ins; this long one look at Entra's metadata serves them all. */
const METADATA_REUSE_MS = 1_000;

/** OpenID Connect scopes alone: the console calls nothing on a person's behalf. */
const SCOPES = ['openid', 'profile'];

/** OpenID Connect Core section 5.5: Entra answers with the context in `acrs`, or does not sign the person in. */
const claimsRequest = (context: string): string =>
  JSON.stringify({ id_token: { acrs: { essential: true, value: context } } });

/** Opens the way to Entra; `consoleUrl` is the base of the redirect address. No request is made yet. */
export const openEntra = (config: SignInConfig, consoleUrl: string): Entra => {
  const authority = `${config.authority}/${config.tenantId}`;
  const redirectUri = `${consoleUrl}/sign-in/callback`;

  const newClient = (network: EntraNetwork): ConfidentialClientApplication =>
    new ConfidentialClientApplication({
      auth: {
        clientId: config.clientId,
        clientSecret: config.clientSecret,
        authority,
        knownAuthorities: [new URL(authority).host],
      },
      system: { networkClient: network, disableInternalRetries: true },
    });

  let beginning: { readonly client: ConfidentialClientApplication; readonly since: number } | null = null;
  /** Sees no token, so it may be shared; it remembers Entra's metadata. */
  const beginningClient = (): ConfidentialClientApplication => {
    if (beginning === null || performance.now() - beginning.since > METADATA_REUSE_MS)
      beginning = { client: newClient(openEntraNetwork(config.ca)), since: performance.now() };
    return beginning.client;
  };

  return {
    begin: async ({ state, secrets, prompt, maxAgeSeconds, context }) => {
      try {
        return await beginningClient().getAuthCodeUrl({
          scopes: SCOPES,
          redirectUri,
          state,
          nonce: secrets.nonce,
          codeChallenge: createHash('sha256').update(secrets.verifier).digest('base64url'),
          codeChallengeMethod: 'S256',
          ...(prompt !== null && { prompt }),
          ...(maxAgeSeconds !== null && { extraQueryParameters: { max_age: String(maxAgeSeconds) } }),
          ...(context !== null && { claims: claimsRequest(context) }),
        });
      } catch (cause) {
        throw new EntraUnavailable('the metadata of Entra cannot be had', { cause });
      }
    },
    redeem: async (code, secrets, now) => {
      const network = openEntraNetwork(config.ca);
      try {
        const { idTokenClaims } = await newClient(network).acquireTokenByCode({
          scopes: SCOPES,
          redirectUri,
          code,
          codeVerifier: secrets.verifier,
          nonce: secrets.nonce,
        });
        return checkIdToken(idTokenClaims, {
          issuer: `${authority}/v2.0`,
          tenantId: config.tenantId,
          clientId: config.clientId,
          nonce: secrets.nonce,
          now,
        });
      } catch (cause) {
        if (network.failed()) throw new EntraUnavailable('Entra is unavailable', { cause });
        return { reason: 'code' };
      }
    },
    signOutUrl: `${authority}/oauth2/v2.0/logout?post_logout_redirect_uri=${encodeURIComponent(`${consoleUrl}/sign-in`)}`,
  };
};
