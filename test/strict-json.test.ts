import { expect, it } from 'vitest';
import { isJsonObject, parseStrictJson } from '../src/strict-json.ts';

it.each([
  '{}',
  '[]',
  '"a:b{"',
  'null',
  '{"a":"\\"b\\":","c":[{"a":1},{"a":2}],"":{"a:":"}"}}',
  '{"__proto__":{"a":1},"a\\\\":1}',
  ' {"a" : 1 ,\n"b":"é💡"} ',
])('parses what JSON.parse parses: %s', (text) => {
  expect(parseStrictJson(text)).toEqual({ value: JSON.parse(text) });
});

it.each([
  '{"a":1,"a":1}',
  '{"a":1,"\\u0061":2}',
  '{"__proto__":1,"__proto__":2}',
  '[{"a":{"b":1,"c":[],"b":2}}]',
  '{"":1,"":2}',
])('refuses a member named twice: %s', (text) => {
  expect(parseStrictJson(text)).toEqual({ problem: 'duplicate' });
});

it.each([
  ['nothing', ''],
  ['a comma too many', '{"a":1,}'],
  ['an open string', '{"a":"b'],
  ['an open escape', '"\\'],
  ['text after it', '{} x'],
  ['a byte order mark', '\ufeff{}'],
  ['NUL in a value', '{"a":"\\u0000"}'],
  ['NUL in a name', '{"\\u0000":1}'],
  ['a lone surrogate', '["\\ud800"]'],
  ['a hundred thousand arrays', '['.repeat(100_000)],
  ['33 objects in each other', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`],
  ['33 arrays in each other, each with more in it', `${'[0,'.repeat(33)}0${']'.repeat(33)}`],
])('refuses %s', (_what, text) => {
  expect(parseStrictJson(text)).toEqual({ problem: 'malformed' });
});

it('tells objects from arrays and null', () => {
  expect([{}, [], null, 'a', undefined].map(isJsonObject)).toEqual([true, false, false, false, false]);
});
