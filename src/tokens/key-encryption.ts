/** Private keys at rest: AES-256-GCM under the key encryption key, bound to the row they stand in. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The first encrypts; the others decrypt what was encrypted before, while one replaces another. */
export type KeyEncryptionKeys = readonly [current: Buffer, ...previous: Buffer[]];

/** Encrypts `plaintext`; `context` (the row's identity) must be the same at decryption. */
export const encryptKey = (
  [keyEncryptionKey]: KeyEncryptionKeys,
  plaintext: Buffer,
  context: string,
): Buffer => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyEncryptionKey, nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
};

const decryptWith = (keyEncryptionKey: Buffer, sealed: Buffer, context: string): Buffer => {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', keyEncryptionKey, nonce)
    .setAAD(Buffer.from(context))
    .setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
};

/** Throws if no key encryption key is the one, the context is another, or the bytes were changed. */
export const decryptKey = (keys: KeyEncryptionKeys, sealed: Buffer, context: string): Buffer => {
  let failure: unknown;
  for (const key of keys) {
    try {
      return decryptWith(key, sealed, context);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
};
