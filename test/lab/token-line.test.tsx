import { renderToString } from 'preact-render-to-string';
import { expect, it } from 'vitest';
import { TokenLine } from '../../lab/demo/token-line.tsx';

const TOKENS = [
  { jti: 'tok_1', iat: 100, exp: 112 },
  { jti: 'tok_2', iat: 108, exp: 120 },
];
const told = (seconds: number, revoked: boolean): string[] =>
  [
    ...renderToString(<TokenLine tokens={TOKENS} revoked={revoked} now={seconds * 1_000} />).matchAll(
      /<li class="(\w+)"/g,
    ),
  ].map(([, state = '']) => state);

it('calls a token what it is: the last one current until it is over or was taken back', () => {
  expect(told(110, false)).toEqual(['ROTATED', 'current']);
  expect(told(115, false)).toEqual(['over', 'current']);
  expect(told(115, true)).toEqual(['over', 'REVOKED']);
  expect(told(121, true)).toEqual(['over', 'over']);
});
