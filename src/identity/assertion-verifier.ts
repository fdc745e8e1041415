/**
 * Verifies an Entra assertion: form, header, issuer and audience, signature and times, claims, in this order.
 * The issuer is looked up among the configured ones before anything else happens with the assertion, so a stranger
 * cannot make the broker open a connection; issuer and audience come before the signature, so a token for somebody
 * else costs no key fetch. No result is ever remembered (fast-jwt, CVE-2026-35039): a verification costs less
 * than the risk of answering with another token's.
 */
import { hash } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { AssertionReason } from './assertion-reason.ts';
import { checkClaims } from './check-claims.ts';
import { ASSERTION_ALGORITHM, checkHeader } from './check-header.ts';
import { parseCompactJws } from './compact-jws.ts';
import type { KeyCache } from './key-cache.ts';
import type { IssuerTrust, TrustedTenant } from './trusted-tenants.ts';
import type { VerifiedWorkload } from './verified-workload.ts';

/** How far two clocks may be apart. */
const CLOCK_TOLERANCE_SECONDS = 30;
/** A managed identity's token lives a day, the longest of all. */
const ASSERTION_MAX_AGE_SECONDS = 24 * 3_600;

/**
 * The workload that an assertion proves, or the reason why it proves none.
 * @throws KeysUnavailable when the issuer's keys cannot be had.
 */
export type AssertionVerifier = (
  assertion: string,
  now: Date,
) => Promise<{ workload: VerifiedWorkload } | { reason: AssertionReason }>;

export type AssertionVerifierOptions = {
  readonly tenants: readonly TrustedTenant[];
  readonly keys: KeyCache;
};

type Trusted = {
  readonly tenant: TrustedTenant;
  readonly issuer: IssuerTrust;
  readonly options: JWTVerifyOptions;
};

const trustedBy = (tenants: readonly TrustedTenant[]): ReadonlyMap<unknown, Trusted> =>
  new Map(
    tenants.flatMap((tenant) =>
      tenant.issuers.map((issuer) => {
        const options: JWTVerifyOptions = {
          algorithms: [ASSERTION_ALGORITHM],
          issuer: issuer.issuer,
          audience: [...issuer.audiences],
          requiredClaims: ['exp', 'iat', 'nbf', 'tid', 'oid', 'uti'],
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          maxTokenAge: ASSERTION_MAX_AGE_SECONDS,
        };
        return [issuer.issuer, { tenant, issuer, options }] as const;
      }),
    ),
  );

const REASON_OF_CLAIM: Readonly<Record<string, AssertionReason>> = {
  iss: 'issuer',
  aud: 'aud',
  exp: 'exp',
  iat: 'time',
  nbf: 'time',
  tid: 'tid',
  oid: 'oid',
  uti: 'uti',
};

const reasonOf = (error: unknown): AssertionReason => {
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed) {
    return REASON_OF_CLAIM[error.claim] ?? 'format';
  }
  if (error instanceof errors.JOSEError) return 'format';
  throw error;
};

const verifySignature = async (
  assertion: string,
  key: CryptoKey,
  options: JWTVerifyOptions,
): Promise<{ payload: JWTPayload } | { reason: AssertionReason }> => {
  try {
    return await jwtVerify(assertion, key, options);
  } catch (error) {
    return { reason: reasonOf(error) };
  }
};

export const createAssertionVerifier = ({ tenants, keys }: AssertionVerifierOptions): AssertionVerifier => {
  const trusted = trustedBy(tenants);
  return async (assertion, now) => {
    const read = parseCompactJws(assertion);
    if ('reason' in read) return read;
    const header = checkHeader(read.header);
    if ('reason' in header) return header;
    const { iss, aud } = read.payload;
    const trust = trusted.get(iss);
    if (trust === undefined) return { reason: 'issuer' };
    const { tenant, issuer, options } = trust;
    if (typeof aud !== 'string' || !issuer.audiences.includes(aud)) return { reason: 'aud' };

    const key = await keys.find(issuer.issuer, header.keyId);
    if (key === 'unknown') return { reason: 'kid' };
    if (key === 'foreign') return { reason: 'key_issuer' };
    const verified = await verifySignature(assertion, key, { ...options, currentDate: now });
    if ('reason' in verified) return verified;
    const named = checkClaims(verified.payload, tenant, issuer);
    if ('reason' in named) return named;
    return { workload: { ...named.claims, digest: hash('sha256', assertion, 'hex') } };
  };
};
