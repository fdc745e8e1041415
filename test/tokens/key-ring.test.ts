import { describe, expect, it } from 'vitest';
import { activeKey, type DatedKey, PUBLISHED_AFTER_SECONDS, placeKeys } from '../../src/tokens/key-ring.ts';

const at = (seconds: number): Date => new Date(1_800_000_000_000 + seconds * 1_000);
const key = (kid: string, seconds: number, algorithm: DatedKey['algorithm'] = 'ES256'): DatedKey => ({
  kid,
  algorithm,
  activeFrom: at(seconds),
  erased: false,
});

const first = key('first', 0);
const second = key('second', 100);
const states = (keys: readonly DatedKey[], seconds: number): string[] =>
  placeKeys(keys, at(seconds)).map((placed) => `${placed.key.kid} ${placed.state}`);

describe('a key', () => {
  it.each([
    ['before it signs, it is next', -1, ['first next', 'second next']],
    ['from its time on, it signs', 0, ['first active', 'second next']],
    ['until its successor does', 99.999, ['first active', 'second next']],
    ['then it is retiring', 100, ['first retiring', 'second active']],
    [
      'as long as its tokens may live',
      100 + PUBLISHED_AFTER_SECONDS - 0.001,
      ['first retiring', 'second active'],
    ],
    ['and gone', 100 + PUBLISHED_AFTER_SECONDS, ['first gone', 'second active']],
  ])('%s', (_, seconds, expected) => {
    expect(states([second, first], seconds)).toEqual(expected);
  });

  it('is followed by keys of its own algorithm alone', () => {
    const rsa = key('rsa', 50, 'RS256');
    expect(states([first, rsa], 60)).toEqual(['first active', 'rsa active']);
    expect(activeKey([first, rsa], 'RS256', at(60))?.kid).toBe('rsa');
    expect(activeKey([first, rsa], 'RS256', at(49))).toBeUndefined();
  });

  it('signs alone, in whatever order keys are known and even when two begin at once', () => {
    const twin = key('twin', 100);
    for (const keys of [
      [first, second, twin],
      [twin, second, first],
    ]) {
      const active = placeKeys(keys, at(200)).filter(({ state }) => state === 'active');
      expect(active.map((placed) => placed.key.kid)).toEqual(['twin']);
      expect(activeKey(keys, 'ES256', at(200))?.kid).toBe('twin');
    }
  });
});
