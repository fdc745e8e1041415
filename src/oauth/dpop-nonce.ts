/**
 * Nonces for proofs (RFC 9449 section 8): they show that a proof was made after we were asked, whatever the clocks
 * say. Nothing is stored: a nonce is its time and an HMAC of it, under a key that all replicas derive from the same
 * secret.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

export type Nonces = {
  /** A nonce that is good from `now` on. */
  readonly issue: (now: Date) => string;
  readonly isGood: (nonce: string, now: Date) => boolean;
};

const TIME_BYTES = 6;
const MAC_BYTES = 16;
/** How far the clock of the replica that issued a nonce may be ahead of this one. */
const AHEAD_MAX_SECONDS = 30;

/** `lifetimeSeconds`: how long a nonce is good. */
export const openNonces = (keyEncryptionKey: Buffer, lifetimeSeconds: number): Nonces => {
  const key = Buffer.from(hkdfSync('sha256', keyEncryptionKey, '', 'countersign dpop nonce', 32));
  const nonceOf = (seconds: number): string => {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeUIntBE(seconds, 0, TIME_BYTES);
    const mac = createHmac('sha256', key).update(time).digest().subarray(0, MAC_BYTES);
    return Buffer.concat([time, mac]).toString('base64url');
  };
  const secondsOf = (now: Date): number => Math.floor(now.getTime() / 1000);
  return {
    issue: (now) => nonceOf(secondsOf(now)),
    isGood: (nonce, now) => {
      const bytes = Buffer.from(nonce, 'base64url');
      if (bytes.length !== TIME_BYTES + MAC_BYTES) return false;
      const seconds = bytes.readUIntBE(0, TIME_BYTES);
      const expected = Buffer.from(nonceOf(seconds));
      const given = Buffer.from(nonce);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
      const age = secondsOf(now) - seconds;
      return age <= lifetimeSeconds && age >= -AHEAD_MAX_SECONDS;
    },
  };
};
