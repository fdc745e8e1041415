/** Tokens of one grant on a line of time: each takes over before the last one is over, until nothing is granted. */
import type { JSX } from 'preact';
import type { Run } from '../agents/run.ts';

/** Units of the drawing. */
const WIDTH = 600;
const ROW = 22;
const BAR = 12;

const ended = (
  token: Run['tokens'][number],
  successor: Run['tokens'][number] | undefined,
  now: number,
): string => {
  if (token.exp <= now) return 'over';
  return successor === undefined ? 'current' : 'ROTATED';
};

/** Nothing as long as there is no token. `now`: milliseconds since 1970. */
export const TokenLine = ({ tokens, now }: { tokens: Run['tokens']; now: number }): JSX.Element | null => {
  const [first] = tokens;
  const last = tokens.at(-1);
  if (first === undefined || last === undefined) return null;
  const seconds = Math.max(1, last.exp - first.iat);
  const at = (time: number): number => ((time - first.iat) / seconds) * WIDTH;
  const rows = tokens.map((token, index) => ({ token, state: ended(token, tokens[index + 1], now / 1_000) }));
  return (
    <section>
      <h2>One token after the other</h2>
      <svg
        class="token-line"
        viewBox={`0 0 ${WIDTH} ${tokens.length * ROW}`}
        role="img"
        aria-label={rows.map(({ token, state }) => `${token.jti}: ${state}`).join(', ')}
      >
        {rows.map(({ token, state }, index) => (
          <rect
            class={state}
            x={at(token.iat)}
            y={index * ROW}
            width={at(token.exp) - at(token.iat)}
            height={BAR}
            rx="3"
          />
        ))}
      </svg>
      <ol class="tokens">
        {rows.map(({ token, state }) => (
          <li class={state}>
            <code>{token.jti}</code> {token.exp - token.iat} s, {state}
          </li>
        ))}
      </ol>
    </section>
  );
};
