/** An agent's own key, made when it starts, and the proofs that it signs with it (RFC 9449 section 4.2). */
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

/** A proof for one request; with the access token where there is one. */
export type Prove = (method: string, url: string, accessToken?: string) => string;

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export const createProofKey = (): Prove => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const header = encode({ typ: 'dpop+jwt', alg: 'ES256', jwk: publicKey.export({ format: 'jwk' }) });
  const signer = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return (method, url, accessToken) => {
    const { origin, pathname } = new URL(url);
    const claims = encode({
      jti: randomUUID(),
      htm: method,
      htu: `${origin}${pathname}`,
      iat: Math.floor(Date.now() / 1000),
      ...(accessToken !== undefined && {
        ath: createHash('sha256').update(accessToken).digest('base64url'),
      }),
    });
    const signed = `${header}.${claims}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), signer).toString('base64url')}`;
  };
};
