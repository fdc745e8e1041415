import { expect, it } from 'vitest';
import { isJsonObject, parseStrictJson } from '../src/strict-json.ts';

it.each([
  '{}',
  '[]',
  '"a:b{"',
  'null',
  '{"a":"\\"b\\":","c":[{"a":1},{"a":2}],"":{"a:":"}"}}',
  '{"__proto__":{"a":1},"a":"\\\\"}',
  ' {"a" : 1 ,\n"b":"é💡"} ',
])('parses what JSON.parse parses: %s', (text) => {
  expect(parseStrictJson(text)).toEqual({ value: JSON.parse(text) });
});

it.each(['{"a":1,"a":1}', '{"__proto__":1,"__proto__":2}', '[{"a":{"b":1,"c":[],"b":2}}]', '{"":1,"":2}'])(
  'refuses a member named twice: %s',
  (text) => {
    expect(parseStrictJson(text)).toEqual({ problem: 'duplicate' });
  },
);

it.each([
  ['nothing', ''],
  ['a comma too many', '{"a":1,}'],
  ['an open string', '{"a":"b'],
  ['an open escape', '"\\'],
  ['text after it', '{} x'],
  ['a byte order mark', '\ufeff{}'],
  ['NUL in a value', '{"a":"\\u0000"}'],
  ['NUL in a name', '{"\\u0000":1}'],
  ['an escape in a name', '{"a":1,"\\u0061":2}'],
  ['an escape in a name within a list', '[{"a":1,"b\\\\" :2}]'],
  ['a lone surrogate', '["\\ud800"]'],
  ['a hundred thousand arrays', '['.repeat(100_000)],
  ['33 objects in each other', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`],
  ['33 arrays in each other, each with more in it', `${'[0,'.repeat(33)}0${']'.repeat(33)}`],
])('refuses %s', (_what, text) => {
  expect(parseStrictJson(text)).toEqual({ problem: 'malformed' });
});

it('has no name hidden from it by a text that was parsed before (nodejs/node#63785)', () => {
  for (let times = 0; times < 3; times += 1) JSON.parse('{"x":0,"\\\\":1}');
  expect(parseStrictJson('{"x":1,"\\u0078":2}')).toEqual({ problem: 'malformed' });
});

it('tells objects from arrays and null', () => {
  expect([{}, [], null, 'a', undefined].map(isJsonObject)).toEqual([true, false, false, false, false]);
});
