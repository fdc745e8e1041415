/** One key that signs access tokens: made here, stored encrypted, read back with its public half derived anew. */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { joseSignature } from './ecdsa-signature.ts';

/** RFC 9068 section 2.1: what an API may ask to have its tokens signed with. */
export const SIGNING_ALGORITHMS = ['ES256', 'RS256'] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** Public half as the JWKS shows it. */
export type PublicJwk = JWK & {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly use: 'sig';
};

export type SigningKey = {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  readonly publicJwk: PublicJwk;
  /** The signature over `data` in the form of JWS: RFC 7518 sections 3.3 and 3.4. */
  readonly sign: (data: string) => Buffer;
};

const RSA_BITS = 2_048;

const makePair = (algorithm: SigningAlgorithm): Promise<{ privateKey: KeyObject }> =>
  algorithm === 'ES256'
    ? promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
    : promisify(generateKeyPair)('rsa', { modulusLength: RSA_BITS });

/** A fresh key: PKCS #8 in DER, to be encrypted. */
export const makeSigningKey = async (
  algorithm: SigningAlgorithm,
): Promise<{ readonly kid: string; readonly der: Buffer }> => {
  const { privateKey } = await makePair(algorithm);
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as JWK;
  return {
    kid: await calculateJwkThumbprint(jwk),
    der: privateKey.export({ format: 'der', type: 'pkcs8' }),
  };
};

const ALGORITHM_OF_KIND: Readonly<Record<string, SigningAlgorithm>> = { ec: 'ES256', rsa: 'RS256' };

/** What the JWKS shows is derived from the private key: a row that was tampered with cannot plant another one. */
export const readSigningKey = (kid: string, der: Buffer): SigningKey => {
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const algorithm = ALGORITHM_OF_KIND[privateKey.asymmetricKeyType ?? ''];
  if (algorithm === undefined) throw new Error(`the signing key ${kid} is of no kind that signs tokens`);
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as JWK;
  const signature = (data: string): Buffer => sign('sha256', Buffer.from(data), privateKey);
  return {
    kid,
    algorithm,
    publicJwk: { ...jwk, kid, alg: algorithm, use: 'sig' },
    sign: algorithm === 'ES256' ? (data) => joseSignature(signature(data)) : signature,
  };
};
