/**
 * Which key does what at a moment. Only one time of a key is ever written, the one from which it signs, and it is told
 * ahead; everything else follows from it and the database's clock, so that replicas cannot disagree and there is no step
 * between two states in which one of them could die. A key whose private half was erased is gone at once. Pure.
 */
import type { SigningAlgorithm } from './signing-key.ts';

/**
 * Published before it signs: APIs keep a JWKS for five minutes by its headers and an hour at most, so all of them know
 * a key before they meet it.
 */
export const PUBLISHED_BEFORE_SECONDS = 3_600;
/** Published after it last signed: the longest life of a token, 120 s, and ten minutes of clocks that are apart. */
export const PUBLISHED_AFTER_SECONDS = 120 + 600;

/** `next` is published and does not sign yet, `retiring` is published and signs no more, `gone` is neither. */
export type KeyState = 'next' | 'active' | 'retiring' | 'gone';

export type DatedKey = {
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  /** Signs from then on, until the next of its algorithm does. */
  readonly activeFrom: Date;
  /** Its private half is no more: it is over, or was withdrawn before its time. */
  readonly erased: boolean;
};

export type PlacedKey<Key> = {
  readonly key: Key;
  readonly state: KeyState;
  /** When the next key takes over; null: none is there. */
  readonly activeUntil: Date | null;
};

const byAge = (a: DatedKey, b: DatedKey): number =>
  a.activeFrom.getTime() - b.activeFrom.getTime() || (a.kid < b.kid ? -1 : 1);

const stateOf = (key: DatedKey, activeUntil: Date | null, now: Date): KeyState => {
  if (key.erased) return 'gone';
  if (key.activeFrom > now) return 'next';
  if (activeUntil === null || activeUntil > now) return 'active';
  return activeUntil.getTime() + PUBLISHED_AFTER_SECONDS * 1_000 > now.getTime() ? 'retiring' : 'gone';
};

/** Every key with its state at `now`, the oldest first. */
export const placeKeys = <Key extends DatedKey>(keys: readonly Key[], now: Date): PlacedKey<Key>[] => {
  const ordered = keys.toSorted(byAge);
  return ordered.map((key, index) => {
    const successor = ordered
      .slice(index + 1)
      .find(({ algorithm, erased }) => algorithm === key.algorithm && !erased);
    const activeUntil = successor?.activeFrom ?? null;
    return { key, state: stateOf(key, activeUntil, now), activeUntil };
  });
};

/** The key of `algorithm` that signs at `now`, if there is one. */
export const activeKey = <Key extends DatedKey>(
  keys: readonly Key[],
  algorithm: SigningAlgorithm,
  now: Date,
): Key | undefined => {
  let active: Key | undefined;
  for (const key of keys) {
    if (key.algorithm !== algorithm || key.activeFrom > now || key.erased) continue;
    if (active === undefined || byAge(active, key) < 0) active = key;
  }
  return active;
};
