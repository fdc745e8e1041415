/** Tokens of one grant on a line of time: each takes over before the last one is over, until nothing is granted. */
import type { JSX } from 'preact';
import type { Run } from '../agents/run.ts';

/** Units of the drawing. */
const WIDTH = 600;
const ROW = 22;
const BAR = 12;

type Line = {
  readonly tokens: Run['tokens'];
  /** Whether the grant was taken back, and so each of its tokens. */
  readonly revoked: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
};

const stateOf = ({ tokens, revoked, now }: Line, index: number): string => {
  if ((tokens[index]?.exp ?? 0) <= now / 1_000) return 'over';
  if (revoked) return 'REVOKED';
  return index === tokens.length - 1 ? 'current' : 'ROTATED';
};

/** Nothing as long as there is no token. */
export const TokenLine = (line: Line): JSX.Element | null => {
  const { tokens } = line;
  const [first] = tokens;
  const last = tokens.at(-1);
  if (first === undefined || last === undefined) return null;
  const seconds = Math.max(1, last.exp - first.iat);
  const at = (time: number): number => ((time - first.iat) / seconds) * WIDTH;
  const rows = tokens.map((token, index) => ({ token, state: stateOf(line, index) }));
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
