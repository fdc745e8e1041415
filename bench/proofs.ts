/** The proof keys of the estate's agents, one each, and proofs signed just before they are sent. */
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { AGENTS } from './estate.ts';

/** The value of the `DPoP` header of one request of the n-th agent, made now. */
export type Prove = (agent: number) => string;

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export const openProofKeys = (tokenUrl: string): Prove => {
  const keys = Array.from({ length: AGENTS }, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' });
    return { privateKey, header: encode({ typ: 'dpop+jwt', alg: 'ES256', jwk }) };
  });
  return (agent) => {
    const key = keys[agent];
    if (key === undefined) throw new Error(`there is no agent ${agent}`);
    const claims = encode({
      jti: randomUUID(),
      htm: 'POST',
      htu: tokenUrl,
      iat: Math.floor(Date.now() / 1000),
    });
    const signed = `${key.header}.${claims}`;
    const signature = sign('sha256', Buffer.from(signed), {
      key: key.privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    return `${signed}.${signature.toString('base64url')}`;
  };
};
