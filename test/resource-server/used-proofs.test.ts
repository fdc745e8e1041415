import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createUsedProofs } from '../../src/resource-server/used-proofs.ts';

const NOW = 1_770_000_000;
/** Long before, so that it decides nothing. */
const START = NOW - 1_000;
const proof = (jti: string, issuedAt = NOW, thumbprint = 'key') => ({ thumbprint, jti, issuedAt });
const by = (now = NOW, agent = 'agent') => ({ now, agent });

describe('the memory of used proofs', () => {
  it('takes each proof once, by its key and its name', () => {
    const take = createUsedProofs(START);
    expect([take(proof('a'), by()), take(proof('a'), by())]).toEqual([null, 'proof_replayed']);
    expect(take(proof('b'), by())).toBeNull();
    expect(take(proof('a', NOW, 'other key'), by())).toBeNull();
    expect(take(proof('a'), by(NOW, 'another agent'))).toBe('proof_replayed');
  });

  it('takes none that the process before it may have taken: an API is started again and a proof sent once more', () => {
    const before = createUsedProofs(NOW - 100);
    expect(before(proof('a', NOW - 1), by())).toBeNull();
    const again = createUsedProofs(NOW + 0.5);
    expect(again(proof('a', NOW - 1), by(NOW + 1))).toBe('proof_replayed');
    expect(again(proof('b', NOW), by(NOW + 1))).toBeNull();
  });

  it('forgets nothing that could still pass as fresh', () => {
    const take = createUsedProofs(START);
    take(proof('ahead', NOW + 30), by());
    take(proof('old', NOW - 60), by());
    for (let now = NOW; now <= NOW + 90; now += 1) {
      expect(take(proof('ahead', NOW + 30), by(now))).toBe('proof_replayed');
      expect(take(proof('old', NOW - 60), by(now))).toBe('proof_replayed');
    }
  });

  it('gives an agent a share, whatever keys it has, and others go on (T120)', () => {
    const take = createUsedProofs(START, 8);
    const flood = (jti: string, now = NOW) => take(proof(jti, now, `key of ${jti}`), by(now));
    expect(['a', 'b', 'c'].map((jti) => flood(jti))).toEqual([null, null, 'too_many_proofs']);
    expect(take(proof('d', NOW - 60), by(NOW, 'other'))).toBeNull();
    for (let now = NOW; now <= NOW + 61; now += 1) {
      expect(flood('a')).toBe('proof_replayed');
      expect(flood(`e${now}`, now)).toBe('too_many_proofs');
    }
    expect(flood('f', NOW + 62)).toBeNull();
  });

  it('would rather refuse the oldest than take one twice when it is full', () => {
    const take = createUsedProofs(START, 3);
    const sent = [
      ['a', NOW - 20],
      ['b', NOW - 15],
      ['c', NOW - 15],
      ['d', NOW],
    ] as const;
    for (const [jti, issuedAt] of sent) expect(take(proof(jti, issuedAt), by(NOW, jti))).toBeNull();
    expect(take(proof('a', NOW - 20), by())).toBe('proof_replayed');
    expect(take(proof('fresh but made before', NOW - 20), by())).toBe('proof_replayed');
    // What would have to be given up for it is as old as it is.
    expect(take(proof('e', NOW - 15), by())).toBe('proof_replayed');
    expect(take(proof('f'), by(NOW, 'f'))).toBeNull();
  });

  it('lets nobody make all of now too old: full of the last seconds, or of proofs made ahead, it takes no other', () => {
    const take = createUsedProofs(START, 4);
    for (const agent of ['a', 'b', 'c', 'd']) take(proof(agent, NOW + 30), by(NOW, agent));
    expect(take(proof('honest'), by(NOW, 'e'))).toBe('too_many_proofs');
    for (const agent of ['a', 'b', 'c', 'd'])
      expect(take(proof(agent, NOW + 30), by(NOW + 40, agent))).toBe('proof_replayed');
    expect(take(proof('honest', NOW + 41), by(NOW + 41, 'e'))).toBeNull();
  });

  it('never takes a proof twice, and never keeps more than fits, whatever comes in whatever order', () => {
    const calls = fc.array(
      fc.record({
        jti: fc.integer({ min: 0, max: 20 }),
        age: fc.integer({ min: -30, max: 60 }),
        agent: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        pause: fc.integer({ min: 0, max: 20 }),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(calls, fc.integer({ min: 1, max: 10 }), (sent, proofsMax) => {
        const take = createUsedProofs(START, proofsMax);
        const taken = new Map<string, { agent: string; second: number }>();
        let now = NOW;
        for (const { jti, age, agent, pause } of sent) {
          now += pause;
          const name = `${jti} ${now - age}`;
          const misuse = take(proof(String(jti), now - age), by(now, agent));
          if (misuse !== null) continue;
          expect(taken.has(name)).toBe(false);
          taken.set(name, { agent, second: now - age });
          const recent = [...taken.values()].filter(({ second }) => second >= now - 10);
          expect(recent.length).toBeLessThanOrEqual(proofsMax);
          const own = recent.filter((other) => other.agent === agent).length;
          expect(own).toBeLessThanOrEqual(Math.ceil(proofsMax / 4));
        }
      }),
    );
  });
});
