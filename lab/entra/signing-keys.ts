/**
 * The keys with which the stand-in signs tokens. Like Entra it publishes the next key ahead of its use and goes on
 * publishing the last ones; unlike Entra it makes all of them new at each start, so that nothing may pin one.
 */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSelfSigned } from './certificates.ts';

/** A public key as Entra's key documents carry it; `issuer` is added where it is published. */
export type PublishedKey = {
  readonly kty: 'RSA';
  readonly use: 'sig';
  readonly kid: string;
  readonly x5t: string;
  readonly n: string;
  readonly e: string;
  readonly x5c: readonly string[];
};

export type SigningKey = { readonly privateKey: KeyObject; readonly published: PublishedKey };

export type SigningKeys = {
  /** Signs every token. */
  readonly current: () => SigningKey;
  /** Published already, in use by `/lab/sign` only. */
  readonly next: SigningKey;
  /** Published nowhere that a careful client looks: an attacker's key. */
  readonly foreign: SigningKey;
  /** 1024 bits: too short for RS256 (RFC 7518 section 3.3). */
  readonly weak: SigningKey;
  /** Keys that signed before the current one, the latest first. */
  readonly former: () => readonly SigningKey[];
  /** Makes a key that nobody has seen and signs with it from now on. */
  readonly roll: () => Promise<void>;
};

/** As many former keys stay published as make no difference to a client's limits. */
const FORMER_KEYS_KEPT = 5;

/** Makes one RSA signing key with its certificate; `kid` is the certificate's SHA-1 thumbprint, as at Entra. */
export const createSigningKey = async (name: string, bits: 1024 | 2048 = 2048): Promise<SigningKey> => {
  const pair = await createSelfSigned(name, new Date(), bits);
  const certificate = new X509Certificate(pair.certificate);
  const { n, e } = certificate.publicKey.export({ format: 'jwk' });
  if (n === undefined || e === undefined) throw new Error('an RSA key without modulus or exponent');
  const thumbprint = createHash('sha1').update(certificate.raw).digest('base64url');
  return {
    privateKey: createPrivateKey(pair.privateKey),
    published: {
      kty: 'RSA',
      use: 'sig',
      kid: thumbprint,
      x5t: thumbprint,
      n,
      e,
      x5c: [certificate.raw.toString('base64')],
    },
  };
};

/** Makes the keys of one run of the stand-in. */
export const createSigningKeys = async (): Promise<SigningKeys> => {
  const name = 'lab accounts';
  const [first, next, foreign, weak] = await Promise.all([
    createSigningKey(name),
    createSigningKey(name),
    createSigningKey('somebody else'),
    createSigningKey(name, 1024),
  ]);
  let current = first;
  let former: readonly SigningKey[] = [];
  return {
    current: () => current,
    next,
    foreign,
    weak,
    former: () => former,
    roll: async () => {
      const fresh = await createSigningKey(name);
      former = [current, ...former].slice(0, FORMER_KEYS_KEPT);
      current = fresh;
    },
  };
};
