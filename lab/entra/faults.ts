/**
 * Mischief with the key documents, by name. One fault at a time: a new one takes the place of the last. Only what is
 * published changes; tokens go on being signed with the current key, which is what makes the faults tell.
 */
import { Readable } from 'node:stream';
import type { PublishedKey, SigningKey, SigningKeys } from './signing-keys.ts';

/** Every fault that `POST /lab/faults` knows. */
export const FAULTS = [
  'keys_down',
  'keys_slow',
  'keys_rolled',
  'keys_removed',
  'keys_empty',
  'keys_huge',
  'keys_redirect',
  'keys_weak',
  'keys_foreign_issuer',
] as const;
export type Fault = (typeof FAULTS)[number];
/** A fault that lasts; `keys_rolled` happens once and for good. */
export type LastingFault = Exclude<Fault, 'keys_rolled'>;

export type Faults = {
  /** The fault in force, null when everything is as it should be. */
  readonly inForce: () => LastingFault | null;
  /** Puts a fault in force, for so many seconds or until it is lifted. */
  readonly set: (fault: LastingFault, seconds: number | undefined) => void;
  readonly lift: () => void;
  /** Waits until the fault now in force is over, `limitMs` at most. */
  readonly over: (limitMs: number) => Promise<void>;
};

/** Begins without a fault. */
export const createFaults = (): Faults => {
  let active: { readonly fault: LastingFault; readonly ending: AbortController } | null = null;
  const lift = (): void => {
    active?.ending.abort();
    active = null;
  };
  return {
    inForce: () => active?.fault ?? null,
    set: (fault, seconds) => {
      lift();
      const ending = new AbortController();
      active = { fault, ending };
      if (seconds === undefined) return;
      const timer = setTimeout(lift, seconds * 1000).unref();
      ending.signal.addEventListener('abort', () => clearTimeout(timer));
    },
    lift,
    over: (limitMs) => {
      const signal = active?.ending.signal;
      if (signal === undefined) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, limitMs).unref();
        signal.addEventListener('abort', () => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
};

/** A key as published for one version of tokens; `issuer` is undefined where Entra names none. */
type IssuedKey = PublishedKey & { readonly issuer?: string };

/**
 * The keys that a key document names under the fault in force.
 * @param issuer what the keys are marked with; v1 documents mark theirs with nothing
 * @param foreignIssuer the issuer of another tenant
 */
export const publishedKeys = (
  keys: SigningKeys,
  fault: LastingFault | null,
  marks: { readonly issuer: string | undefined; readonly foreignIssuer: string },
): readonly IssuedKey[] => {
  if (fault === 'keys_empty') return [];
  const mark = (key: SigningKey, issuer: string | undefined): IssuedKey =>
    issuer === undefined ? key.published : { ...key.published, issuer };
  const current = mark(keys.current(), fault === 'keys_foreign_issuer' ? marks.foreignIssuer : marks.issuer);
  const others = [fault === 'keys_weak' ? keys.weak : keys.next, ...keys.former()];
  return [...(fault === 'keys_removed' ? [] : [current]), ...others.map((key) => mark(key, marks.issuer))];
};

/** How much `keys_huge` sends, bytes: more than any client should be ready to hold. */
const HUGE_BYTES = 50 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** A key document that is true, and then does not end for 50 MB. */
export const hugeDocument = (keys: readonly PublishedKey[]): Readable =>
  Readable.from(
    (function* () {
      yield `{"keys":${JSON.stringify(keys)},"padding":"`;
      for (let sent = 0; sent < HUGE_BYTES; sent += CHUNK_BYTES) yield 'x'.repeat(CHUNK_BYTES);
      yield '"}';
    })(),
    { objectMode: false },
  );
