import { describe, expect, it } from 'vitest';
import { ago, duration, gap, list, until } from '../../views/words.ts';

const NOW = new Date('2026-01-31T12:00:00Z');

describe('words for times', () => {
  it.each([
    [0, '0 seconds'],
    [1, '1 second'],
    [90, '1 minute 30 seconds'],
    [3600, '1 hour'],
    [90_061, '1 day 1 hour 1 minute 1 second'],
  ])('%i seconds are %s', (seconds, words) => expect(duration(seconds)).toBe(words));

  it('tell what was and what will be', () => {
    const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
    expect([ago(NOW, later(59)), ago(NOW, later(179)), until(later(179), NOW), until(later(5), NOW)]).toEqual(
      ['just now', '2 minutes ago', 'in 2 minutes', 'in less than a minute'],
    );
  });

  it('tell gaps and lists', () => {
    expect([gap(0), gap(999), gap(1250), gap(61_000), list(['a']), list(['a', 'b'], 'or')]).toEqual([
      '+0 ms',
      '+999 ms',
      '+1.25 s',
      '+1 minute 1 second',
      'a',
      'a or b',
    ]);
  });
});
