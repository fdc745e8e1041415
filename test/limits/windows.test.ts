import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { openWindows } from '../../src/limits/windows.ts';

let at = 0;
beforeEach(() => {
  at = 1_000;
});
const windows = (keysMax = 1_000) => openWindows({ milliseconds: 60_000, keysMax, now: () => at });

describe('windows in memory', () => {
  it('give out as many as there are, then say how long it takes', () => {
    const { take, look } = windows();
    expect([take('a', 2), take('a', 2)]).toEqual([null, null]);
    at += 20_000;
    expect([look('a', 2), take('a', 2), take('a', 2)]).toEqual([40_000, 40_000, 40_000]);
    expect(take('b', 2)).toBeNull();
    at += 40_000;
    expect([look('a', 2), take('a', 2)]).toEqual([null, null]);
  });

  it('count nothing for a look, and nothing beyond what there is', () => {
    const { take, look, giveBack } = windows();
    for (let n = 0; n < 5; n += 1) expect(look('a', 1)).toBeNull();
    for (let n = 0; n < 5; n += 1) take('a', 1);
    giveBack('a');
    expect([take('a', 1), take('a', 1)]).toEqual([null, 60_000]);
  });

  it('are filled from outside for no longer than a window, whatever is said', () => {
    const { fill, take, look } = windows();
    for (const [key, said] of [
      ['long', 3_600_000],
      ['negative', -1],
      ['nothing', Number.NaN],
    ] as const) {
      fill(key, said);
      expect([look(key, 5), take(key, 5)]).toEqual([60_000, 60_000]);
    }
    fill('short', 5_000);
    expect(look('short', 5)).toBe(5_000);
    at += 60_000;
    for (const key of ['long', 'negative', 'nothing', 'short']) expect(take(key, 5)).toBeNull();
  });

  it('forget the oldest key when there are too many, and what is over', () => {
    const { take, look, size } = windows(2);
    for (const key of ['oldest', 'older', 'new']) take(key, 1);
    expect([look('oldest', 1), look('older', 1), look('new', 1), size()]).toEqual([null, 60_000, 60_000, 2]);
    at += 60_000;
    take('fresh', 1);
    expect(size()).toBe(1);
  });

  it('never hold more keys than they may, and never give out more than there are in a window', () => {
    const step = fc.record({
      act: fc.constantFrom('take', 'take', 'take', 'giveBack', 'fill'),
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      wait: fc.nat(30_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tested = windows(3);
        for (const { act, key, wait } of steps) {
          at += wait;
          if (act === 'take') {
            const before = tested.look(key, 2);
            const taken = tested.take(key, 2);
            expect(taken).toBe(before);
            if (taken !== null) expect(taken).toSatisfy((left: number) => left > 0 && left <= 60_000);
          } else if (act === 'fill') tested.fill(key, wait);
          else tested.giveBack(key);
          expect(tested.size()).toBeLessThanOrEqual(3);
        }
      }),
    );
  });
});
