/**
 * The issuer's signing keys, cached. An API must go on while the broker restarts, and must not be made to hammer it:
 * - one read at a time, whatever the number of callers;
 * - an unknown `kid` causes a read, but at most one per cooldown, so that invented ids cost nothing;
 * - a failed read keeps the keys already known, for a bounded time, and is repeated with growing pauses;
 * - a set replaces the one before as a whole (a removed key is gone), and never by an empty or broken one.
 */
import { type CryptoKey, createLocalJWKSet, errors, type JWK, type JWTVerifyGetKey } from 'jose';
import { isJsonObject, parseStrictJson } from '../strict-json.ts';
import { readBounded } from './read-bounded.ts';

/** The issuer's keys cannot be read and none that is known may be used: answer 503, the token may be good. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

export type IssuerKeysOptions = {
  readonly jwksUri: string;
  readonly algorithms: readonly string[];
  readonly fetch: typeof fetch;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** How long keys stay good after the last successful read. */
  readonly staleSeconds: number;
  /** Milliseconds between two reads for the sake of unknown key ids, as it is now. */
  readonly cooldownMs: () => number;
};

/** As long as the broker lets its keys be cached; a removed key is refused after that. */
const FRESH_MS = 300_000;
/** Where anybody may name a key. */
export const UNKNOWN_KEY_COOLDOWN_MS = 30_000;
/** Where a new key is expected: one was withdrawn, or it is the issuer alone that names it. */
export const EXPECTED_KEY_COOLDOWN_MS = 1_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** Two orders of magnitude above a real answer; what is slower or larger is not one. */
const READ_TIMEOUT_MS = 3_000;
const MAX_SET_BYTES = 256 * 1024;
const MAX_KEYS = 50;

const readKeySet = async (options: IssuerKeysOptions): Promise<JWTVerifyGetKey<CryptoKey>> => {
  const response = await options.fetch(options.jwksUri, {
    // Read anew because a key is unknown or may be withdrawn: what a cache in between kept is no answer.
    headers: { accept: 'application/json', 'cache-control': 'no-cache' },
    redirect: 'error',
    signal: AbortSignal.timeout(READ_TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the key set was answered with status ${response.status}`);
  }
  const { value: set } = parseStrictJson(
    await readBounded(response.body, { what: 'the key set', maxBytes: MAX_SET_BYTES }),
  );
  const published: readonly unknown[] = isJsonObject(set) && Array.isArray(set.keys) ? set.keys : [];
  if (published.length > MAX_KEYS) throw new Error(`the key set has more than ${MAX_KEYS} keys`);
  // Each key is for one algorithm, so that a token's header cannot choose another (RFC 8725 section 3.1).
  const usable = published.filter(
    (key): key is JWK =>
      isJsonObject(key) &&
      typeof key.kid === 'string' &&
      typeof key.alg === 'string' &&
      options.algorithms.includes(key.alg) &&
      !('d' in key),
  );
  if (usable.length === 0) throw new Error('the key set has no usable key');
  return createLocalJWKSet({ keys: usable });
};

/** Finds the key for a token's header; made for `jwtVerify`. Throws `KeysUnavailable` or jose's `JWKSNoMatchingKey`. */
export const createIssuerKeys = (options: IssuerKeysOptions): JWTVerifyGetKey<CryptoKey> => {
  const { now } = options;
  let keys: { readonly find: JWTVerifyGetKey<CryptoKey>; readonly readAt: number } | null = null;
  let reading: Promise<void> | null = null;
  let failures = 0;
  let lastFailure: unknown = null;
  let triedAt = Number.NEGATIVE_INFINITY;

  const read = (): Promise<void> => {
    reading ??= readKeySet(options)
      .then(
        (find) => {
          keys = { find, readAt: now() };
          failures = 0;
        },
        (failure: unknown) => {
          lastFailure = failure;
          failures += 1;
        },
      )
      .finally(() => {
        triedAt = now();
        reading = null;
      });
    return reading;
  };
  /** Milliseconds since; a clock that was set back must not make old keys young. */
  const since = (time: number): number => Math.abs(now() - time);
  const mayRead = (): boolean => {
    const pause =
      failures === 0 ? options.cooldownMs() : Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LAST_RETRY_MS);
    return reading !== null || since(triedAt) >= pause;
  };
  const age = (): number => (keys === null ? Number.POSITIVE_INFINITY : since(keys.readAt));
  const known = (): JWTVerifyGetKey<CryptoKey> => {
    if (keys !== null && age() <= options.staleSeconds * 1000) return keys.find;
    throw new KeysUnavailable('the keys of the issuer cannot be read', { cause: lastFailure });
  };

  return async (header, token) => {
    // jose takes the only key of the algorithm for one that is not named, and whoever has withdrawn it named it.
    if (typeof header.kid !== 'string') throw new errors.JWKSNoMatchingKey();
    if (age() > FRESH_MS && mayRead()) {
      const underWay = read();
      // Once the issuer is known to be away, callers with a good old key do not wait for it again.
      if (failures === 0 || age() > options.staleSeconds * 1000) await underWay;
    }
    try {
      return await known()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (mayRead()) await read();
      if (failures > 0)
        throw new KeysUnavailable('the key may be new, and cannot be read', { cause: lastFailure });
      return known()(header, token);
    }
  };
};
