/** An agent's proof key and the proofs it makes (RFC 9449 section 4.2), good ones unless a test changes something. */
import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';

export type Prover = {
  readonly jwk: JWK;
  readonly privateKey: KeyObject;
  /** RFC 7638, as another implementation computes it. */
  readonly thumbprint: string;
  /** A proof for a request; `undefined` takes a member away. */
  readonly prove: (method: string, target: string, changes?: ProofChanges) => string;
};

export type ProofChanges = {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** The token that the proof goes with. */
  readonly accessToken?: string;
  /** Signs instead of the key that the proof embeds. */
  readonly signer?: KeyObject;
};

export type ProofAlg = 'ES256' | 'Ed25519' | 'EdDSA' | 'RS256';

const generate = (alg: ProofAlg): { publicKey: KeyObject; privateKey: KeyObject } => {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  if (alg === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return generateKeyPairSync('ed25519');
};

export const encodePart = (value: unknown): string =>
  Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signs two parts as they are, whatever they hold. */
export const signParts = (privateKey: KeyObject, header: string, claims: string): string => {
  const data = Buffer.from(`${header}.${claims}`);
  const digest = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const signature = sign(digest, data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${header}.${claims}.${signature.toString('base64url')}`;
};

export const createProver = async (
  alg: ProofAlg = 'ES256',
  { publicKey, privateKey } = generate(alg),
): Promise<Prover> => {
  const jwk = publicKey.export({ format: 'jwk' }) as JWK;
  return {
    jwk,
    privateKey,
    thumbprint: await calculateJwkThumbprint(jwk),
    prove: (method, target, { header = {}, claims = {}, accessToken, signer = privateKey } = {}) => {
      const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
      return signParts(
        signer,
        encodePart({ typ: 'dpop+jwt', alg, jwk, ...header }),
        encodePart({
          jti: randomUUID(),
          htm: method,
          htu: target,
          iat: Math.floor(Date.now() / 1000),
          ...(ath && { ath }),
          ...claims,
        }),
      );
    },
  };
};
