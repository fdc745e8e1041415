import type { JSX } from 'preact';

/** Actions by their names, each set apart: "`a`, `b` and `c`". */
export const Scopes = ({ scopes }: { scopes: readonly string[] }): JSX.Element => (
  <>
    {scopes.map((scope, index) => (
      <>
        {index > 0 && <span class="joint">{index === scopes.length - 1 ? ' and ' : ', '}</span>}
        <code>{scope}</code>
      </>
    ))}
  </>
);
