import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derSignature } from '../../src/proof/der-signature.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = createPublicKey(privateKey);

/** r and s of a DER signature of P-256, side by side. */
const numbersOf = (der: Buffer): string => {
  const rLength = der[3] ?? 0;
  const r = der.subarray(4, 4 + rLength);
  const s = der.subarray(6 + rLength);
  const padded = (number: Buffer) =>
    number
      .toString('hex')
      .replace(/^(00)+/, '')
      .padStart(64, '0');
  return padded(r) + padded(s);
};

describe('a signature turned into DER', () => {
  it('is the one that the library writes itself, over and over', () => {
    for (let count = 0; count < 500; count += 1) {
      const data = Buffer.from(`message ${count}`);
      const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      const der = derSignature(raw) ?? Buffer.alloc(0);
      expect(verify('sha256', data, publicKey, der)).toBe(true);
    }
  });

  it('holds the same two numbers, written as short as DER demands', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        fc.nat({ max: 32 }),
        fc.nat({ max: 32 }),
        (bytes, rZeros, sZeros) => {
          const raw = Buffer.from(bytes)
            .fill(0, 0, rZeros)
            .fill(0, 32, 32 + sZeros);
          const der = derSignature(raw) ?? Buffer.alloc(0);
          expect([der[0], der[1], der[2]]).toEqual([0x30, der.length - 2, 0x02]);
          expect(der[4 + (der[3] ?? 0)]).toBe(0x02);
          expect(der[5 + (der[3] ?? 0)]).toBe(der.length - 6 - (der[3] ?? 0));
          expect(numbersOf(der)).toBe(raw.toString('hex'));
          for (const start of [4, 6 + (der[3] ?? 0)]) {
            const [first = 0, second = 0x80] = der.subarray(start);
            expect(first).toBeLessThan(0x80);
            if (first === 0 && start + 1 < der.length && der[start - 1] !== 1)
              expect(second).toBeGreaterThanOrEqual(0x80);
          }
        },
      ),
    );
  });

  it('is none for anything but 64 octets', () => {
    for (const length of [0, 1, 63, 65, 72, 128]) expect(derSignature(Buffer.alloc(length, 1))).toBeNull();
  });
});
