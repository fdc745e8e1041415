/**
 * The policy enforcement point of an API: accepts an access token of one issuer for one audience and one action, as
 * RFC 9068 section 4, RFC 6750 and RFC 9449 demand. Nothing of the token is believed before its signature is verified,
 * whatever is not positively good is refused, and so is what the broker has taken back meanwhile.
 */
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { createUseCheck, type ProvenRequest } from './bound-use.ts';
import { createIssuerKeys, EXPECTED_KEY_COOLDOWN_MS, UNKNOWN_KEY_COOLDOWN_MS } from './issuer-keys.ts';
import { type Refusal, type RefusalReason, refuse, type Scheme } from './refusal.ts';
import {
  CLOCK_TOLERANCE_SECONDS,
  followRevocations,
  type Revocations,
  STALE_KEYS_SECONDS,
} from './revocations.ts';
import { checkClaims, type VerifiedAccessToken } from './verified-access-token.ts';

export type VerifierOptions = {
  /** The broker, byte for byte as in its metadata (RFC 8414), without a trailing slash. */
  readonly issuer: string;
  /** This API's name in the broker's registry, such as `api://knowledge.prod`. */
  readonly audience: string;
  /**
   * This API's public base URL, without a trailing slash. With it, tokens that are bound to a key are accepted with
   * proofs for its addresses (RFC 9449); without it they are refused.
   */
  readonly url?: string;
  /** Address of this API's own metadata (RFC 9728), `describeResource(...).url`: every challenge then names it. */
  readonly resourceMetadata?: string;
  /** Where the keys are; `{issuer}/jwks` by default. */
  readonly jwksUri?: string;
  /** What the broker signs with for this API; `['ES256']` by default. A token cannot choose beyond it. */
  readonly algorithms?: readonly ('ES256' | 'RS256')[];
  /** Clock difference to the broker that is forgiven; 5 by default. */
  readonly clockToleranceSeconds?: number;
  /** How long known keys stay good while the broker cannot be reached; one hour by default. */
  readonly staleKeysSeconds?: number;
  /**
   * How old the view of the broker's revocations may be before every call is refused, 3 to 300; 15 by default. A token
   * that is taken back is refused within a second, and after this time at the latest.
   */
  readonly staleRevocationsSeconds?: number;
  /** What `followRevocations` gave, to share one view between verifiers; without it the verifier follows by itself. */
  readonly revocations?: Revocations;
  /** Told when the revocations begin to be out of reach; text for a log. */
  readonly onProblem?: (problem: string, cause: unknown) => void;
  /** For a broker behind a private authority or a proxy: a `fetch` that knows the way. */
  readonly fetch?: typeof fetch;
  /** Milliseconds since the epoch; for tests. */
  readonly now?: () => number;
};

/** The outcome of a check: a token to go on with, or a refusal to answer with. */
export type Verification = { readonly token: VerifiedAccessToken } | { readonly refusal: Refusal };

export type Verifier = {
  readonly audience: string;
  /**
   * Checks the value of an `Authorization` header against what the action needs (scopes, space-separated). As a list it is
   * every such header of the request: with two it is refused, since Node's `headers` keeps the first and a proxy in front
   * may have read the other (RFC 9110 section 5.3). `request`
   * is what a proof must be for, where one is sent; `callers` are the only agents that may, any where it is absent. Throws
   * `KeysUnavailable` or `RevocationsUnavailable` when the broker cannot be asked: that is a 503, never a verdict on the token.
   */
  readonly verify: (
    authorization: string | readonly string[] | undefined,
    demand: Demand,
  ) => Promise<Verification>;
  /** Seconds since the view of revocations was true, for a gauge or a health check; `Infinity` before there is one. */
  readonly revocationsAgeSeconds: () => number;
  /** Ends the following of revocations, unless they are shared: the verifier refuses everything from then on. */
  readonly close: () => void;
};

/** What an action needs. */
export type Demand = {
  readonly scope: string;
  readonly callers?: readonly string[] | undefined;
  readonly request?: ProvenRequest;
};

/** Four times a token with every claim; a larger one is refused before any work is done on it. */
const MAX_TOKEN_BYTES = 8_192;

/** RFC 6750 section 2.1, RFC 9449 section 7.1; the scheme in any case (RFC 9110 section 11.1). */
const SCHEME = /^(bearer|dpop)(?: |$)/i;
const CREDENTIALS = /^[a-z]+ +([A-Za-z0-9\-._~+/]+=*) *$/i;

/** A signature check alone accepts several spellings of one token (padding, unused bits); only the canonical one passes. */
const isCanonicalJws = (token: string): boolean => {
  const parts = token.split('.');
  return (
    parts.length === 3 &&
    parts.every((part) => part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part)
  );
};

type Presented = { readonly token: string } | { readonly reason: RefusalReason };

const schemeOf = (authorization: string | undefined, acceptsProofs: boolean): Scheme | null => {
  const scheme = SCHEME.exec(authorization ?? '')?.[1]?.toLowerCase();
  if (scheme === undefined) return null;
  if (scheme === 'bearer') return 'Bearer';
  return acceptsProofs ? 'DPoP' : null;
};

const parseCredentials = (authorization: string): Presented => {
  const token = CREDENTIALS.exec(authorization)?.[1];
  if (token === undefined) return { reason: 'malformed_header' };
  if (token.length > MAX_TOKEN_BYTES || !isCanonicalJws(token)) return { reason: 'malformed_token' };
  return { token };
};

/** jose checks signature, type, issuer, audience and time in this order. */
const reasonOf = (error: unknown): RefusalReason => {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'typ') return 'type';
    if (error.claim === 'iss') return 'issuer';
    return error.claim === 'aud' ? 'audience' : 'claims';
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
  if (error instanceof errors.JWKSNoMatchingKey) return 'unknown_key';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JOSEError) return 'malformed_token';
  throw error;
};

/** Makes the verifier of one API. It begins to follow the broker's revocations at once, and reads keys when it needs them. */
export const createVerifier = (options: VerifierOptions): Verifier => {
  const { issuer, audience } = options;
  const now = options.now ?? Date.now;
  const algorithms = options.algorithms ?? ['ES256'];
  const clockTolerance = options.clockToleranceSeconds ?? CLOCK_TOLERANCE_SECONDS;
  const acceptsProofs = options.url !== undefined;
  const revocations = options.revocations ?? followRevocations(options);
  const checkUse = createUseCheck({ url: options.url ?? null, now });
  const keys = createIssuerKeys({
    jwksUri: options.jwksUri ?? `${issuer}/jwks`,
    algorithms,
    fetch: options.fetch ?? fetch,
    now,
    staleSeconds: options.staleKeysSeconds ?? STALE_KEYS_SECONDS,
    // Whoever names an invented key just before must not keep the successor of a withdrawn one out.
    cooldownMs: () =>
      Math.abs(now() - revocations.keyWithdrawnAt()) < UNKNOWN_KEY_COOLDOWN_MS
        ? EXPECTED_KEY_COOLDOWN_MS
        : UNKNOWN_KEY_COOLDOWN_MS,
  });

  const verifySignature = async (
    token: string,
  ): Promise<{ claims: JWTPayload; keyId: string } | { reason: RefusalReason; tokenId: string | null }> => {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        algorithms: [...algorithms],
        typ: 'at+jwt',
        issuer,
        audience,
        clockTolerance,
        currentDate: new Date(now()),
      });
      return { claims: payload, keyId: protectedHeader.kid ?? '' };
    } catch (error) {
      // An expired token got this far because it is the issuer's and for this API: its use is worth reporting.
      const jti = error instanceof errors.JWTExpired ? error.payload.jti : null;
      return { reason: reasonOf(error), tokenId: typeof jti === 'string' ? jti : null };
    }
  };

  const verify: Verifier['verify'] = async (sent, { scope, callers, request }) => {
    const [authorization, ...others] = [sent ?? []].flat();
    const scheme = schemeOf(authorization, acceptsProofs);
    const refused = (reason: RefusalReason, tokenId: string | null = null): Verification => ({
      refusal: refuse(reason, {
        realm: audience,
        scope,
        tokenId,
        scheme: scheme ?? 'Bearer',
        acceptsProofs,
        resourceMetadata: options.resourceMetadata,
      }),
    });
    if (others.length > 0) return refused('malformed_header');
    if (authorization === undefined || scheme === null) return refused('no_token');
    const presented = parseCredentials(authorization);
    if ('reason' in presented) return refused(presented.reason);
    const verified = await verifySignature(presented.token);
    if ('reason' in verified) return refused(verified.reason, verified.tokenId);
    const checked = checkClaims(verified.claims, {
      audience,
      latestIssue: Math.floor(now() / 1000) + clockTolerance,
    });
    if ('reason' in checked) return refused(checked.reason);
    const { token } = checked;
    await revocations.opened;
    if (revocations.isRevoked({ ...token, keyId: verified.keyId })) return refused('revoked', token.tokenId);
    if (callers !== undefined && !callers.includes(token.agent))
      return refused('caller_not_allowed', token.tokenId);
    const misuse = checkUse({ scheme, sent: presented.token, token, request });
    if (misuse !== null) return refused(misuse, token.tokenId);
    if (!scope.split(' ').every((action) => token.scopes.includes(action))) {
      return refused('insufficient_scope', token.tokenId);
    }
    return { token };
  };
  return {
    audience,
    verify,
    revocationsAgeSeconds: revocations.ageSeconds,
    close: () => {
      if (options.revocations === undefined) revocations.close();
    },
  };
};
