/**
 * The published keys of one issuer, kept so that neither its outage nor a flood of invented key names stops good
 * assertions. A key in use never waits for the network; one that lay idle waits for one fetch. What is fetched
 * replaces everything that was known, so a withdrawn key is gone; an empty or broken document replaces nothing.
 * Whatever cannot be told for want of keys is an outage (`KeysUnavailable`), not a verdict.
 */
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { KeysUnavailable } from './keys-unavailable.ts';
import type { KeySet, PublishedKey } from './parse-key-set.ts';

/** Older keys go on being used, and are fetched again meanwhile: where they are in use, nobody ever waits. */
const FRESH_MS = 8 * 60_000;
/** No older document is believed while the issuer can be asked: a withdrawn key is gone after so long, idle or not. */
const OVERDUE_MS = 10 * 60_000;
/** Older keys are used no more: Entra announces a withdrawal by leaving the key out. */
const STALE_MAX_MS = 24 * 3_600_000;
/** Pause between two fetches made only because an assertion named an unknown key. */
const UNKNOWN_KEY_PAUSE_MS = 30_000;
/** A key name not found is not looked for again so soon, so that one bad caller does not use up the pause. */
const MISSING_KEY_MS = 60_000;
const MISSING_KEYS_MAX = 1_000;
/** So many wait for one fetch, a form each; whoever comes then is told to come again. */
const WAITING_MAX = 1_024;
const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;

export type IssuerKeys = {
  /**
   * The key named `keyId`; `unknown` if the issuer does not publish it.
   * @throws KeysUnavailable if that cannot be told now.
   */
  readonly find: (keyId: string) => Promise<PublishedKey | 'unknown'>;
};

export type IssuerKeysOptions = {
  readonly issuer: string;
  /** Fetches and parses the issuer's document; throws if it cannot be had or used. */
  readonly load: () => Promise<KeySet>;
  readonly clock: Clock;
  readonly logger: Logger;
};

type Snapshot = { readonly keys: KeySet['keys']; readonly at: number };

export const createIssuerKeys = ({ issuer, load, clock, logger }: IssuerKeysOptions): IssuerKeys => {
  let snapshot: Snapshot | null = null;
  let loading: Promise<void> | null = null;
  let failures = 0;
  let failedAt = 0;
  let unknownSoughtAt = Number.NEGATIVE_INFINITY;
  const missing = new Map<string, number>();

  /** A clock set back counts as time gone by: it must not make old keys fresh or a pause endless. */
  const since = (moment: number): number => Math.abs(clock().getTime() - moment);
  const backoffLeftMs = (): number =>
    failures === 0
      ? 0
      : Math.max(0, Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS) - since(failedAt));
  const usable = (): Snapshot | null =>
    snapshot !== null && since(snapshot.at) <= STALE_MAX_MS ? snapshot : null;

  const loadOnce = async (): Promise<void> => {
    try {
      const { keys, refused } = await load();
      for (const key of refused)
        logger.warn({ event: 'jwks.bad_key', issuer, ...key }, 'a published key is refused');
      snapshot = { keys, at: clock().getTime() };
      failures = 0;
    } catch (error) {
      failures += 1;
      failedAt = clock().getTime();
      const event = snapshot === null ? 'jwks.unavailable' : 'jwks.stale';
      logger.warn({ event, issuer, failures, err: error }, 'the published keys could not be fetched');
    } finally {
      loading = null;
    }
  };
  /** One fetch at a time, whoever asks. Never rejects. */
  const refresh = (): Promise<void> => {
    loading ??= loadOnce();
    return loading;
  };

  let waiting = 0;
  const refreshed = async (): Promise<void> => {
    if (waiting >= WAITING_MAX) throw new KeysUnavailable(issuer, 1);
    waiting += 1;
    try {
      await refresh();
    } finally {
      waiting -= 1;
    }
  };

  /** Looked for a moment ago, in a document that was fetched for it. */
  const isMissing = (keyId: string): boolean => {
    const missedAt = missing.get(keyId);
    return missedAt !== undefined && since(missedAt) < MISSING_KEY_MS;
  };
  const mayFetchFor = (keyId: string): boolean => {
    if (failures > 0) return loading === null && backoffLeftMs() === 0;
    if (usable() === null || loading !== null) return true;
    return !isMissing(keyId) && since(unknownSoughtAt) >= UNKNOWN_KEY_PAUSE_MS;
  };

  const noteMissing = (keyId: string): void => {
    missing.delete(keyId);
    missing.set(keyId, clock().getTime());
    const [oldest] = missing.keys();
    if (missing.size > MISSING_KEYS_MAX && oldest !== undefined) missing.delete(oldest);
  };

  return {
    find: async (keyId) => {
      const known = usable();
      const key = known?.keys.get(keyId);
      if (known && key !== undefined) {
        const age = since(known.at);
        if (age <= FRESH_MS || backoffLeftMs() > 0) return key;
        if (age <= OVERDUE_MS || failures > 0) {
          void refresh();
          return key;
        }
        await refreshed();
        return snapshot?.keys.get(keyId) ?? 'unknown';
      }
      const fetched = mayFetchFor(keyId);
      if (fetched && known) unknownSoughtAt = clock().getTime();
      if (fetched) await refreshed();
      const current = usable();
      const found = current?.keys.get(keyId);
      if (found !== undefined) return found;
      if (current === null || failures > 0) {
        const seconds = Math.max(1, Math.ceil(backoffLeftMs() / 1_000));
        throw new KeysUnavailable(issuer, seconds, current !== null);
      }
      if (fetched) noteMissing(keyId);
      else if (!isMissing(keyId)) {
        // It may be new: whoever invents a name every 30 seconds must not have the issuer's next key refused.
        const leftMs = UNKNOWN_KEY_PAUSE_MS - since(unknownSoughtAt);
        throw new KeysUnavailable(issuer, Math.max(1, Math.ceil(leftMs / 1_000)), true);
      }
      return 'unknown';
    },
  };
};
