/** Strict JSON reads what JSON.parse reads, but for names that are said twice or written with an escape. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictJson } from '../src/strict-json.ts';
import { escapesNames } from './support/escaped-names.ts';

describe('JSON', () => {
  const clean = fc.jsonValue({ maxDepth: 6 }).filter((value) => {
    const text = JSON.stringify(value);
    return (
      text.isWellFormed() && !text.includes('\\u0000') && !/\\ud[89a-f]/.test(text) && !escapesNames(value)
    );
  });

  it('of any value is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(clean, fc.nat(4), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parseStrictJson(text)).toEqual({ value: JSON.parse(text) });
      }),
      { seed: 6, numRuns: 2_000 },
    );
  });

  it('that names a member twice, anywhere and however it is spelled, is refused', () => {
    fc.assert(
      fc.property(
        fc.tuple(clean, clean, clean),
        fc.constantFrom('a', '', 'é', '__proto__'),
        (values, name) => {
          const [first, second, around] = values.map((value) => JSON.stringify(value));
          const escaped = [...name]
            .map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
            .join('');
          const twice = `{"${name}":${first},"${escaped}":${second}}`;
          for (const text of [twice, `[${around},${twice}]`, `{"x":{"y":${twice}},"z":${around}}`])
            expect(parseStrictJson(text)).toEqual({ problem: name === '' ? 'duplicate' : 'malformed' });
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });

  it('is refused wherever JSON.parse refuses, and never throws', () => {
    const broken = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .array(fc.constantFrom(...'{}[]",:\\ u0019.eE-+tfn'), { maxLength: 30 })
        .map((parts) => parts.join('')),
    );
    const reads = (text: string): boolean => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(broken, (text) => {
        const { problem } = parseStrictJson(text);
        if (!reads(text)) expect(problem).toBe('malformed');
      }),
      { seed: 8, numRuns: 20_000 },
    );
  });

  it('may nest 32 deep, however much stands beside it', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    const beside = Array.from({ length: 40 }, () => nested(20)).join(',');
    expect(parseStrictJson(nested(32))).toHaveProperty('value');
    expect(parseStrictJson(nested(33))).toEqual({ problem: 'malformed' });
    expect(parseStrictJson(`[${beside}]`)).toHaveProperty('value');
  });
});
