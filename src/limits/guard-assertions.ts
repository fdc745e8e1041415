/**
 * The limit before anybody is known: an address that had too many assertions rejected gets nothing unknown verified.
 * It is looked at before the verification and spent only on a rejection, not spent and given back: so a good exchange
 * costs no count and no round trip, and many good ones at once, waiting for keys, are no flood. Those who pass together
 * because they looked at the same instant are counted one by one, and answered as exceeding.
 *
 * Whoever shares the address with a flood (a cluster's only way out, an office) goes on with an assertion that was
 * verified here before: it is verified again, every time; only the limit lets these very bytes pass, until they are
 * rejected once. Nothing that an unverified assertion claims is a key here.
 *
 * That keys cannot be had is no rejection. An unknown key while the others are known may be invented, so an address has
 * as many of those, counted apart: they take nothing from whoever names known keys. Where no key is known, nobody is
 * counted: all of a cluster would be locked out by the outage that they wait for.
 */
import { hash } from 'node:crypto';
import { addressPrefix } from '../http/network.ts';
import type { AssertionVerifier } from '../identity/assertion-verifier.ts';
import { ASSERTION_MAX_CHARACTERS } from '../identity/compact-jws.ts';
import { KeysUnavailable } from '../identity/keys-unavailable.ts';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import type { AssertionReason } from '../reasons/assertion.ts';
import type { Exceeded } from './exceeded.ts';
import type { Limiter } from './limiter.ts';

/** Like `AssertionVerifier`, for an assertion from `address`; `exceeded` if that address may not try any more. */
export type GuardedVerifier = (
  assertion: string,
  from: { readonly address: string; readonly now: Date },
) => Promise<{ workload: VerifiedWorkload } | { reason: AssertionReason } | { exceeded: Exceeded }>;

/** Digests of assertions that were good, some 120 bytes each; the oldest is forgotten first. */
const VERIFIED_MAX = 10_000;

export const guardAssertions = (verify: AssertionVerifier, limiter: Limiter): GuardedVerifier => {
  const verified = new Set<string>();

  const remember = (digest: string): void => {
    if (verified.has(digest)) return;
    verified.add(digest);
    const [oldest] = verified;
    if (verified.size > VERIFIED_MAX && oldest !== undefined) verified.delete(oldest);
  };

  /** Hashing what is longer than any assertion would cost as much as the verification that is saved. */
  const wasVerified = (assertion: string): boolean =>
    assertion.length <= ASSERTION_MAX_CHARACTERS && verified.has(hash('sha256', assertion, 'hex'));

  /** Rethrows what was thrown, while the address has some left. */
  const countUnknownKey = async (error: unknown, prefix: string): Promise<{ exceeded: Exceeded }> => {
    const mayBeInvented = error instanceof KeysUnavailable && error.othersKnown;
    const exceeded = mayBeInvented ? await limiter.spend(`unknown key ${prefix}`) : null;
    if (exceeded === null) throw error;
    return { exceeded };
  };

  return async (assertion, { address, now }) => {
    const prefix = addressPrefix(address);
    const exhausted = limiter.look(prefix);
    if (exhausted !== null && !wasVerified(assertion)) return { exceeded: exhausted };
    const result = await verify(assertion, now).catch((error: unknown) => countUnknownKey(error, prefix));
    if ('exceeded' in result) return result;
    if ('workload' in result) {
      remember(result.workload.digest);
      return result;
    }
    if (exhausted !== null) verified.delete(hash('sha256', assertion, 'hex'));
    const exceeded = await limiter.spend(prefix);
    return exceeded === null ? result : { exceeded };
  };
};
