import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../src/canonical-json.ts';

describe('the canonical form', () => {
  it.each([
    [
      'members in the order of UTF-16 code units',
      { '€': 1, '\r': 2, \ufb33: 3, '1': 4, '😀': 5, '\u0080': 6, ö: 7 },
    ],
    [
      'numbers as ECMAScript writes them',
      [333333333.3333333, 1e30, 4.5, 2e-3, 1e-27, -0, 0, 5e-324, 2 ** 53],
    ],
    ['the shortest escapes', '€$\u000f\nA\'B"\\\\"/\u2028'],
    [
      'more names than are sorted by hand',
      Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`n${(index * 37) % 100}`, index])),
    ],
    ['nothing in nothing', [{}, [], '', null]],
    [
      'members that objects have by themselves',
      JSON.parse('{"toJSON":1,"__proto__":{"a":[]},"constructor":true}'),
    ],
  ])('has %s, as an independent implementation does', (_, value) => {
    expect(canonicalJson(value)).toBe(canonicalize(value));
  });

  it('spells the example of RFC 8785 section 3.2.3 in its order', () => {
    const names = ['\r', '1', '\u0080', 'ö', '€', '😀', '\ufb33'];
    const example = Object.fromEntries(names.toReversed().map((name) => [name, true]));
    expect(canonicalJson(example)).toBe(`{${names.map((name) => `${JSON.stringify(name)}:true`).join(',')}}`);
  });

  it('is the same for any order of members, and what an independent implementation makes of any JSON', () => {
    const json = fc.jsonValue({ maxDepth: 5 });
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('leaves out a member that is undefined', () => {
    expect(canonicalJson({ a: undefined, b: 1, c: undefined })).toBe('{"b":1}');
  });

  it.each([
    ['nothing at all', undefined],
    ['undefined in a list', [undefined]],
    ['NaN', Number.NaN],
    ['infinity', { a: Number.POSITIVE_INFINITY }],
    ['a lone surrogate', '\ud800'],
    ['a lone surrogate in a name', { '\udc00': 1 }],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['a big integer', 1n],
    ['a function', () => 1],
  ])('does not exist for %s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});
