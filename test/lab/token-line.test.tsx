import { renderToString } from 'preact-render-to-string';
import { expect, it } from 'vitest';
import { TokenLine } from '../../lab/demo/token-line.tsx';

const TOKENS = [
  { jti: 'tok_1', iat: 100, exp: 112 },
  { jti: 'tok_2', iat: 108, exp: 120 },
];
const draw = (seconds: number, revoked: boolean): string =>
  renderToString(<TokenLine tokens={TOKENS} revoked={revoked} now={seconds * 1_000} />);
const told = (seconds: number, revoked: boolean): string[] =>
  [...draw(seconds, revoked).matchAll(/<li class="(\w+)"/g)].map(([, state = '']) => state);

it('draws the tokens of a grant on one line, with what each of them is', () => {
  const html = draw(110, false);
  expect(html).toContain('tok_1: ROTATED, tok_2: current');
  expect(html.match(/<rect /g)).toHaveLength(2);
});

it('calls a token what it is: the last one current until it is over or was taken back', () => {
  expect(told(110, false)).toEqual(['ROTATED', 'current']);
  expect(told(115, false)).toEqual(['over', 'current']);
  expect(told(115, true)).toEqual(['over', 'REVOKED']);
  expect(told(121, true)).toEqual(['over', 'over']);
});
