import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createUsedProofs } from '../../src/resource-server/used-proofs.ts';

const NOW = 1_770_000_000;
const proof = (jti: string, issuedAt = NOW, thumbprint = 'key') => ({
  thumbprint,
  jti,
  issuedAt,
  nonce: null,
  accessTokenHash: null,
});

describe('the memory of used proofs', () => {
  it('takes each proof once, by its key and its name', () => {
    const take = createUsedProofs();
    expect([take(proof('a'), NOW), take(proof('a'), NOW)]).toEqual([true, false]);
    expect(take(proof('b'), NOW)).toBe(true);
    expect(take(proof('a', NOW, 'other key'), NOW)).toBe(true);
  });

  it('forgets nothing that could still pass as fresh', () => {
    const take = createUsedProofs();
    take(proof('ahead', NOW + 30), NOW);
    take(proof('old', NOW - 60), NOW);
    for (let now = NOW; now <= NOW + 90; now += 1) {
      expect(take(proof('ahead', NOW + 30), now)).toBe(false);
      expect(take(proof('old', NOW - 60), now)).toBe(false);
    }
  });

  it('would rather refuse the oldest than take one twice when it is full', () => {
    const take = createUsedProofs(3);
    for (const [jti, issuedAt] of [
      ['a', NOW - 2],
      ['b', NOW - 1],
      ['c', NOW - 1],
      ['d', NOW],
    ] as const)
      expect(take(proof(jti, issuedAt), NOW)).toBe(true);
    expect(take(proof('a', NOW - 2), NOW)).toBe(false);
    expect(take(proof('fresh but made before', NOW - 2), NOW)).toBe(false);
    expect(take(proof('e', NOW), NOW)).toBe(true);
  });

  it('never takes a proof twice, whatever comes in whatever order', () => {
    const calls = fc.array(
      fc.record({ jti: fc.integer({ min: 0, max: 20 }), age: fc.integer({ min: -30, max: 60 }) }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(calls, fc.integer({ min: 1, max: 10 }), (sent, proofsMax) => {
        const take = createUsedProofs(proofsMax);
        const taken = new Set<string>();
        for (const [index, { jti, age }] of sent.entries()) {
          const now = NOW + index;
          const name = `${jti} ${now - age}`;
          if (!take(proof(String(jti), now - age), now)) continue;
          expect(taken.has(name)).toBe(false);
          taken.add(name);
        }
      }),
    );
  });
});
