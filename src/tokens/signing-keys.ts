/**
 * The keys that sign access tokens, as this replica knows them: it looks every second, so that a key made anywhere is
 * published everywhere long before it signs, and makes the next one when the newest is old. A replica that has not been
 * able to look for long signs nothing. Without the right key encryption key the broker does not start.
 */
import type { Logger } from 'pino';
import { oneAtATime } from '../one-at-a-time.ts';
import type { Database } from '../storage/database.ts';
import type { KeyEncryptionKeys } from './key-encryption.ts';
import { activeKey, type DatedKey, PUBLISHED_BEFORE_SECONDS, placeKeys } from './key-ring.ts';
import { type PublicJwk, readSigningKey, type SigningAlgorithm, type SigningKey } from './signing-key.ts';
import {
  changeKeys,
  createTokenKey,
  decryptStored,
  erasePrivateKeys,
  findTokenKeys,
  type StoredKey,
} from './stored-keys.ts';
import { lateWithdrawn, revokeSignedBy } from './withdraw-key.ts';

/** Shorter than the moment that `keys rotate --now` leaves before a key signs. */
const LOOK_INTERVAL_MS = 1_000;
/** A key is published an hour before it signs: whoever looked within half of that knows all that matter. */
const LOOK_MAX_AGE_MS = (PUBLISHED_BEFORE_SECONDS / 2) * 1_000;

/** No key to sign with: nothing is issued, and asking again may help. */
export class KeyUnavailable extends Error {
  readonly retryAfterSeconds = 1;
}

export type SigningKeys = {
  /** The key that signs new tokens now. Throws `KeyUnavailable`. */
  readonly active: (algorithm: SigningAlgorithm) => SigningKey;
  /** The key of a token that is rendered again. Throws `KeyUnavailable` once it is gone. */
  readonly named: (kid: string) => SigningKey;
  /** Whether the key is known to sign no more and to be published no more: what it signed is worth nothing. */
  readonly isGone: (kid: string) => boolean;
  /** The JWKS; the same array as long as nothing changes. */
  readonly published: () => readonly PublicJwk[];
  /** Looks now. */
  readonly look: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

type Held = DatedKey & { readonly signing: SigningKey };
type View = {
  readonly held: readonly Held[];
  readonly gone: ReadonlySet<string>;
  /** Withdrawn lately: what they signed may still be to revoke. */
  readonly withdrawn: readonly string[];
  readonly now: Date;
  readonly at: number;
};

export type SigningKeysOptions = {
  readonly database: Database;
  readonly keyEncryptionKeys: KeyEncryptionKeys;
  /** Age at which a key is replaced, seconds. */
  readonly maxAgeSeconds: number;
  /** Algorithms that APIs ask for now; a key of each that is missing is made at the next look. ES256 is always there. */
  readonly needed: () => Iterable<SigningAlgorithm>;
  readonly logger: Logger;
};

const NOTES = {
  first: { reason: 'no key of this algorithm was there', appliedBy: 'serve' },
  aged: { reason: 'the key before it has reached its age', appliedBy: 'serve' },
} as const;

/** Opens the keys; the first look, and with it the first key, is done when this resolves. */
export const openSigningKeys = async ({
  database,
  keyEncryptionKeys,
  maxAgeSeconds,
  needed,
  logger,
}: SigningKeysOptions): Promise<SigningKeys> => {
  let view: View = { held: [], gone: new Set(), withdrawn: [], now: new Date(0), at: 0 };
  let published: readonly PublicJwk[] = [];
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const read = new Map<string, SigningKey>();

  const keyOf = ({ kid, privateKeyEncrypted: encrypted }: StoredKey): SigningKey | undefined => {
    if (!read.has(kid) && encrypted !== null)
      read.set(kid, readSigningKey(kid, decryptStored(keyEncryptionKeys, { kid, encrypted }, 'token')));
    return read.get(kid);
  };
  const take = (stored: readonly StoredKey[], now: Date): void => {
    const placed = placeKeys(stored, now);
    const held = placed.flatMap(({ key, state }) => {
      const signing = state === 'gone' ? undefined : keyOf(key);
      return signing === undefined ? [] : [{ ...key, signing }];
    });
    for (const kid of read.keys()) if (!held.some((key) => key.kid === kid)) read.delete(kid);
    const kids = (keys: readonly { readonly kid: string }[]): string => keys.map(({ kid }) => kid).join(' ');
    if (kids(held) !== kids(published)) published = held.map(({ signing }) => signing.publicJwk);
    const gone = new Set(placed.flatMap(({ key, state }) => (state === 'gone' ? [key.kid] : [])));
    view = { held, gone, withdrawn: lateWithdrawn(stored, now), now, at: performance.now() };
  };
  /** What is to be made for an algorithm: nothing as long as its newest key is young enough. */
  const missing = (stored: readonly StoredKey[], algorithm: SigningAlgorithm, now: Date) => {
    const newest = stored.findLast((key) => key.algorithm === algorithm && !key.erased);
    if (newest === undefined) return { algorithm, takeover: 'at once', ...NOTES.first } as const;
    const age = (now.getTime() - newest.activeFrom.getTime()) / 1_000;
    return age < maxAgeSeconds - PUBLISHED_BEFORE_SECONDS
      ? null
      : ({ algorithm, takeover: 'in time', ...NOTES.aged } as const);
  };
  const makeMissing = async (algorithms: ReadonlySet<SigningAlgorithm>): Promise<void> => {
    await changeKeys(database, async (trx) => {
      const { keys, now } = await findTokenKeys(trx);
      for (const algorithm of algorithms) {
        const making = missing(keys, algorithm, now);
        if (making === null) continue;
        const { kid, activeFrom } = await createTokenKey(trx, keyEncryptionKeys, making);
        logger.info({ kid, algorithm, active_from: activeFrom }, 'a signing key was made');
      }
    });
  };
  /** One at a time: a slow look from before a withdrawal must not take its rows over after a newer one did. */
  const look = oneAtATime(async () => {
    const algorithms = new Set<SigningAlgorithm>(['ES256', ...needed()]);
    let found = await findTokenKeys(database.db);
    if ([...algorithms].some((algorithm) => missing(found.keys, algorithm, found.now) !== null)) {
      await makeMissing(algorithms);
      found = await findTokenKeys(database.db);
    }
    take(found.keys, found.now);
    const over = placeKeys(found.keys, found.now).some(
      ({ key, state }) => state === 'gone' && key.privateKeyEncrypted !== null,
    );
    if (over) logger.info({ kids: await erasePrivateKeys(database) }, 'private keys were erased');
  });
  /** What is left when a withdrawal died, and what was signed before a replica had looked. */
  const revokeLeft = async (): Promise<void> => {
    for (const kid of view.withdrawn) {
      const tokens = await revokeSignedBy(database, kid);
      if (tokens > 0) logger.info({ kid, tokens }, 'tokens of a withdrawn key were revoked');
    }
  };
  let looking: Promise<void> = Promise.resolve();
  let revoking: Promise<void> | null = null;
  const poll = async (): Promise<void> => {
    looking = look().catch((err: unknown) => logger.warn({ err }, 'cannot look at the signing keys'));
    await looking;
    // Not waited for: many tokens take longer than the next look may.
    revoking ??= revokeLeft()
      .catch((err: unknown) => logger.warn({ err }, 'cannot revoke what a withdrawn key signed; retried'))
      .finally(() => {
        revoking = null;
      });
    if (!stopped) timer = setTimeout(poll, LOOK_INTERVAL_MS);
  };

  await look();
  timer = setTimeout(poll, LOOK_INTERVAL_MS);
  return {
    active: (algorithm) => {
      const age = performance.now() - view.at;
      if (age > LOOK_MAX_AGE_MS) throw new KeyUnavailable('the signing keys were not looked at for too long');
      const now = new Date(view.now.getTime() + age);
      const active = activeKey(view.held, algorithm, now);
      if (active === undefined) throw new KeyUnavailable(`no ${algorithm} key signs yet`);
      return active.signing;
    },
    named: (kid) => {
      const key = read.get(kid);
      if (key === undefined) throw new KeyUnavailable('the key of this token is not at hand');
      return key;
    },
    isGone: (kid) => view.gone.has(kid),
    published: () => published,
    look,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await looking;
      await revoking;
    },
  };
};
