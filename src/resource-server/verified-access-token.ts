/**
 * The claims of an RFC 9068 access token, checked after its signature. Pure: the clock is passed in. The JOSE library
 * leaves open what RFC 9068 section 2.2 demands (it takes an array as audience, a future `iat`, a missing `jti`), so
 * every claim an API could rely on is checked here, and only those are handed on.
 */
import type { JWTPayload } from 'jose';
import { isJsonObject } from '../strict-json.ts';
import type { RefusalReason } from './refusal.ts';

/** A token that passed every check of RFC 9068 section 4 for this API. */
export type VerifiedAccessToken = {
  /** `client_id`: the agent that the token was issued to. */
  readonly agent: string;
  /** `sub`: whom the agent acts as; the agent itself in tokens of this broker. */
  readonly subject: string;
  /** `aud`: this API. */
  readonly audience: string;
  /** `scope`: the actions that the token allows. */
  readonly scopes: readonly string[];
  /** `jti`: names the token in reports and in the audit trail. */
  readonly tokenId: string;
  /** `txn`: the access request that the token came from; null if the issuer sent none. */
  readonly requestId: string | null;
  /** `env`; null if the issuer sent none. */
  readonly environment: string | null;
  /** RFC 9396 details that narrow what the scopes allow; empty if there are none. */
  readonly authorizationDetails: readonly Readonly<Record<string, unknown>>[];
  /** `cnf.jkt`: RFC 7638 thumbprint of the one key that may use the token (RFC 9449 section 6.1); null if any may. */
  readonly proofKey: string | null;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
};

/** RFC 6749 section 3.3: space-separated tokens of printable ASCII without quotes and backslash. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

/** RFC 7638 with SHA-256, base64url. */
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/** The key in `cnf`; undefined where it confirms by anything else, which must not be passed over. */
const proofKeyOf = (cnf: unknown): string | null | undefined => {
  if (cnf === undefined) return null;
  if (!isJsonObject(cnf) || Object.keys(cnf).length !== 1) return undefined;
  return isText(cnf.jkt) && THUMBPRINT.test(cnf.jkt) ? cnf.jkt : undefined;
};

/** Checks the claims of a token whose signature, type, issuer and expiry are already known to be good. */
export const checkClaims = (
  claims: JWTPayload,
  { audience, latestIssue }: { audience: string; latestIssue: number },
): { token: VerifiedAccessToken } | { reason: RefusalReason } => {
  const { aud, sub, client_id, jti, scope, iat, exp, txn, env, cnf, authorization_details } = claims;
  // One string: a token that several APIs accept could be replayed from one of them to the other.
  if (aud !== audience) return { reason: 'audience' };
  if (!isText(sub) || !isText(client_id) || !isText(jti) || !isText(scope)) return { reason: 'claims' };
  if (!SCOPE.test(scope) || !isTime(iat) || !isTime(exp) || iat > latestIssue) return { reason: 'claims' };
  if ((txn !== undefined && !isText(txn)) || (env !== undefined && !isText(env))) return { reason: 'claims' };
  const details = authorization_details ?? [];
  if (!Array.isArray(details) || !details.every(isJsonObject)) return { reason: 'claims' };
  const proofKey = proofKeyOf(cnf);
  if (proofKey === undefined) return { reason: 'key_bound' };
  return {
    token: {
      agent: client_id,
      subject: sub,
      audience: aud,
      scopes: scope.split(' '),
      tokenId: jti,
      requestId: txn ?? null,
      environment: env ?? null,
      authorizationDetails: details,
      proofKey,
      issuedAt: iat,
      expiresAt: exp,
    },
  };
};
