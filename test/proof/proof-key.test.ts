import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { createProofCheck } from '../../src/proof/check-proof.ts';
import { createProofKeyReader } from '../../src/proof/proof-key.ts';
import { createProver, type Prover } from '../support/prover.ts';

const TARGET = 'https://broker.example/token';
const NOW = 1_770_000_000;
const DEMAND = { method: 'POST', target: TARGET, now: NOW };
const checkProof = createProofCheck();
const readProofKey = createProofKeyReader();

let prover: Prover;
beforeAll(async () => {
  prover = await createProver();
});

const goodClaims = { iat: NOW, jti: 'proof-1' };
const proofWith = (jwk: unknown): string =>
  prover.prove('POST', TARGET, { header: { jwk }, claims: goodClaims });
const outcome = (proof: string): string => {
  const checked = checkProof([proof], DEMAND);
  return 'reason' in checked ? checked.reason : 'good';
};

describe('a key that is known', () => {
  it('passes no proof that is not its own, and each of many keys only its own', async () => {
    const provers = await Promise.all(Array.from({ length: 20 }, () => createProver('Ed25519')));
    const proofs = provers.map(({ prove }) => prove('POST', TARGET, { claims: goodClaims }));
    for (let round = 0; round < 2; round += 1) {
      for (const [index, { prove, thumbprint, jwk }] of provers.entries()) {
        expect(checkProof([proofs[index] ?? ''], DEMAND)).toMatchObject({ proof: { thumbprint } });
        const stolen = provers[(index + 1) % 20]?.privateKey;
        const forged = prove('POST', TARGET, { claims: goodClaims, ...(stolen && { signer: stolen }) });
        expect(outcome(forged)).toBe('proof_signature');
        const asOther = prove('POST', TARGET, { claims: goodClaims, header: { alg: 'ES256', jwk } });
        expect(outcome(asOther)).toBe('proof_key');
      }
    }
  });
});

it('a key may say what it is for, if it is for this', () => {
  const members = { alg: 'ES256', use: 'sig', key_ops: ['verify'] };
  expect(outcome(proofWith({ ...prover.jwk, ...members }))).toBe('good');
});

describe('a key with one thing wrong', () => {
  it('is refused with its private part', () => {
    const jwk = prover.privateKey.export({ format: 'jwk' });
    expect(outcome(proofWith(jwk))).toBe('proof_key');
  });

  it.each(['p', 'q', 'dp', 'dq', 'qi', 'oth'])('is refused with %s, a part of a private key', (name) => {
    expect(outcome(proofWith({ ...prover.jwk, [name]: 'AA' }))).toBe('proof_key');
  });

  it.each<[string, Record<string, unknown>]>([
    ['a symmetric member', { k: 'AA' }],
    ['another algorithm of its own', { alg: 'ES384' }],
    ['another use', { use: 'enc' }],
    ['other operations', { key_ops: ['encrypt'] }],
    ['another curve', { crv: 'P-384' }],
    ['a curve with other points of the same size', { crv: 'secp256k1' }],
    ['a coordinate of 31 octets', { x: Buffer.alloc(31, 1).toString('base64url') }],
    ['a coordinate with padding', { x: `${Buffer.alloc(32, 1).toString('base64url')}=` }],
    ['a point that is not on its curve', { x: Buffer.alloc(32, 1).toString('base64url') }],
    [
      'the point zero',
      { x: Buffer.alloc(32).toString('base64url'), y: Buffer.alloc(32).toString('base64url') },
    ],
    ['no coordinate', { y: undefined }],
  ])('is refused: %s', (_name, members) => {
    expect(outcome(proofWith({ ...prover.jwk, ...members }))).toBe('proof_key');
  });

  it.each([
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0000000000000000000000000000000000000000000000000000000000000080',
    '0100000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000080',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  ])('is refused as an Ed25519 point of small order, or written too large: %s', (hex) => {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(hex, 'hex').toString('base64url') };
    expect(readProofKey(jwk, 'Ed25519')).toBeNull();
    expect(readProofKey(jwk, 'EdDSA')).toBeNull();
  });

  it.each([
    ['1024 bits', { modulusLength: 1024 }],
    ['8192 bits', { modulusLength: 8192 }],
    ['the exponent 3', { modulusLength: 2048, publicExponent: 3 }],
  ])('is refused as an RSA key of %s', async (_name, options) => {
    // The largest takes seconds to make by itself: its size is all that counts.
    const pair = generateKeyPairSync('rsa', {
      ...options,
      modulusLength: Math.min(options.modulusLength, 2048),
    });
    const rsa = await createProver('RS256', pair);
    const n = options.modulusLength === 8192 ? Buffer.alloc(1024, 0xff).toString('base64url') : rsa.jwk.n;
    const proof = rsa.prove('POST', TARGET, { claims: goodClaims, header: { jwk: { ...rsa.jwk, n } } });
    expect(outcome(proof)).toBe('proof_key');
  });
});

/** The same octets written once more, as decoders take them that are not strict. */
const otherwise = (text: unknown): string[] => {
  const written = String(text);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet[alphabet.indexOf(written.at(-1) ?? '') + 1] ?? '';
  return [`${written}=`, `${written}\n`, `${written.slice(0, -1)}${last}`];
};

describe('a good key that is written otherwise', () => {
  it.each(['x', 'y'] as const)('would have a second thumbprint and is refused: %s of P-256', (name) => {
    expect(readProofKey(prover.jwk, 'ES256')).not.toBeNull();
    for (const text of otherwise(prover.jwk[name]))
      expect(readProofKey({ ...prover.jwk, [name]: text }, 'ES256')).toBeNull();
    expect(readProofKey({ ...prover.jwk, kty: 'ec' }, 'ES256')).toBeNull();
  });

  it('would have a second thumbprint and is refused: x of Ed25519', async () => {
    const { jwk } = await createProver('Ed25519');
    expect(readProofKey(jwk, 'Ed25519')).not.toBeNull();
    for (const x of otherwise(jwk.x)) expect(readProofKey({ ...jwk, x }, 'Ed25519')).toBeNull();
    expect(readProofKey({ ...jwk, kty: 'okp' }, 'Ed25519')).toBeNull();
  });

  it('would have a second thumbprint and is refused: n of RSA', async () => {
    const { jwk } = await createProver('RS256');
    expect(readProofKey(jwk, 'RS256')).not.toBeNull();
    const padded = Buffer.concat([Buffer.alloc(1), Buffer.from(String(jwk.n), 'base64url')]);
    for (const n of [...otherwise(jwk.n), padded.toString('base64url'), '', 7])
      expect(readProofKey({ ...jwk, n }, 'RS256')).toBeNull();
  });
});

it.each([
  [2_047, false],
  [2_048, true],
  [2_049, true],
  [4_096, true],
  [4_097, false],
])('an RSA modulus of %d bits is taken: %s', (bits, isTaken) => {
  const modulus = Buffer.alloc(Math.ceil(bits / 8), 0xff);
  modulus[0] = 0xff >> (modulus.length * 8 - bits);
  const jwk = { kty: 'RSA', e: 'AQAB', n: modulus.toString('base64url') };
  expect(readProofKey(jwk, 'RS256') !== null).toBe(isTaken);
});
