/** Signatures of JOSE, by the kinds of key that Entra's tokens and our own are signed with. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isSignedBy } from '../../src/identity/is-signed-by.ts';
import { signJws } from '../../src/tokens/sign-jws.ts';
import { makeSigningKey, readSigningKey, SIGNING_ALGORITHMS } from '../../src/tokens/signing-key.ts';

const newKey = async (algorithm: (typeof SIGNING_ALGORITHMS)[number]) => {
  const { kid, der } = await makeSigningKey(algorithm);
  const key = readSigningKey(kid, der);
  return { key, publicKey: createPublicKey({ key: key.publicJwk as JsonWebKey, format: 'jwk' }) };
};

describe.each(SIGNING_ALGORITHMS)('%s', (algorithm) => {
  it('is good by its key, and by no other, nor over anything else', async () => {
    const [own, other] = [await newKey(algorithm), await newKey(algorithm)];
    const jws = signJws(own.key, 'at+jwt', { sub: 'a' });
    const [header, payload, signature] = jws.split('.');
    expect(isSignedBy(jws, own.publicKey)).toBe(true);
    expect(isSignedBy(jws, other.publicKey)).toBe(false);
    expect(isSignedBy(`${header}.${payload}A.${signature}`, own.publicKey)).toBe(false);
    expect(isSignedBy(`${header}.${payload}.`, own.publicKey)).toBe(false);
  });
});
