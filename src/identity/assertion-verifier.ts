/**
 * Verifies an Entra assertion: form, header, issuer and audience, signature and times, claims, in this order.
 * The issuer is looked up among the configured ones before anything else happens with the assertion, so a stranger
 * cannot make the broker open a connection; issuer and audience come before the signature, so a token for somebody
 * else costs no key fetch. No result is ever remembered (fast-jwt, CVE-2026-35039): a verification costs less
 * than the risk of answering with another token's.
 */
import { hash } from 'node:crypto';
import type { AssertionReason } from '../reasons/assertion.ts';
import { checkClaims } from './check-claims.ts';
import { checkHeader } from './check-header.ts';
import { checkTimes } from './check-times.ts';
import { parseCompactJws } from './compact-jws.ts';
import { isSignedBy } from './is-signed-by.ts';
import type { KeyCache } from './key-cache.ts';
import type { IssuerTrust, TrustedTenant } from './trusted-tenants.ts';
import type { VerifiedWorkload } from './verified-workload.ts';

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

type Trusted = { readonly tenant: TrustedTenant; readonly issuer: IssuerTrust };

const trustedBy = (tenants: readonly TrustedTenant[]): ReadonlyMap<unknown, Trusted> =>
  new Map(
    tenants.flatMap((tenant) => tenant.issuers.map((issuer) => [issuer.issuer, { tenant, issuer }] as const)),
  );

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
    const { tenant, issuer } = trust;
    if (typeof aud !== 'string' || !issuer.audiences.includes(aud)) return { reason: 'aud' };

    const key = await keys.find(issuer.issuer, header.keyId);
    if (key === 'unknown') return { reason: 'kid' };
    if (key === 'foreign') return { reason: 'key_issuer' };
    if (!isSignedBy(assertion, key)) return { reason: 'signature' };
    const late = checkTimes(read.payload, now);
    if (late !== null) return late;
    const named = checkClaims(read.payload, tenant, issuer);
    if ('reason' in named) return named;
    return { workload: { ...named.claims, digest: hash('sha256', assertion, 'hex') } };
  };
};
