/**
 * The keys of every trusted issuer, one cache each: a key is only ever looked for at the issuer that a token names,
 * never by its name alone (get-jwks, CVE-2025-59936).
 */
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { fetchKeySet } from './fetch-key-set.ts';
import { createIssuerKeys, type IssuerKeys } from './issuer-keys.ts';
import { type PublishedKey, parseKeySet } from './parse-key-set.ts';
import type { TrustedTenant } from './trusted-tenants.ts';

export type KeyCacheOptions = {
  readonly tenants: readonly TrustedTenant[];
  /** PEM, the content of COUNTERSIGN_ENTRA_CA: trusted for authorities given by URL, and for nothing else. */
  readonly entraCa?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type KeyCache = {
  /**
   * The key that `issuer` publishes under `keyId`: `foreign` if it does so for another issuer, `unknown` if not
   * at all, or if the issuer is none of ours (which costs no connection).
   * @throws KeysUnavailable if that cannot be told now.
   */
  readonly find: (issuer: string, keyId: string) => Promise<PublishedKey | 'unknown'>;
};

/** Opens the caches; nothing is fetched before the first key is asked for. */
export const createKeyCache = ({ tenants, entraCa, clock, logger }: KeyCacheOptions): KeyCache => {
  const byIssuer = new Map<string, IssuerKeys>();
  for (const { tenantId, privateAuthority, issuers } of tenants) {
    const ca = privateAuthority ? entraCa : undefined;
    for (const { issuer, keysUrl } of issuers) {
      const load = async () => {
        const text = await fetchKeySet({ url: keysUrl, ca, mayBePrivate: ca !== undefined });
        return parseKeySet(text, { issuer, tenantId });
      };
      byIssuer.set(issuer, createIssuerKeys({ issuer, load, clock, logger }));
    }
  }
  return { find: async (issuer, keyId) => byIssuer.get(issuer)?.find(keyId) ?? 'unknown' };
};
