import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { expect, it } from 'vitest';
import { joseSignature } from '../../src/tokens/ecdsa-signature.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

it('turns every signature into one that an independent verification accepts', () => {
  const lengths = new Set<number>();
  for (let round = 0; round < 3_000; round += 1) {
    const data = Buffer.from(`message ${round}`);
    const der = sign('sha256', data, privateKey);
    lengths.add(der.length);
    const signature = joseSignature(der);
    expect(signature).toHaveLength(64);
    expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
  }
  // 70, 71 and 72 bytes are integers with and without a zero in front; about one in 128 is shorter.
  expect(lengths.size).toBeGreaterThan(3);
});

const integer = (bytes: readonly number[]): number[] => [2, bytes.length, ...bytes];
const derOf = (r: readonly number[], s: readonly number[]): Buffer => {
  const content = [...integer(r), ...integer(s)];
  return Buffer.from([48, content.length, ...content]);
};

it.each([
  ['of one byte', [1], [2], `${'00'.repeat(31)}01${'00'.repeat(31)}02`],
  [
    'with a zero before the high bit',
    [0, ...Array(32).fill(255)],
    [0, 128],
    `${'ff'.repeat(32)}${'00'.repeat(31)}80`,
  ],
  ['of 31 bytes', Array(31).fill(17), [0, ...Array(32).fill(200)], `00${'11'.repeat(31)}${'c8'.repeat(32)}`],
])('gives integers %s their full length', (_, r, s, expected) => {
  expect(joseSignature(derOf(r, s)).toString('hex')).toBe(expected);
});
