import type { JSX } from 'preact';
import { accountNamed, type Lab } from './story.ts';

/** An account to play with, and its password; nothing if the lab has none of that name. */
export const AccountNamed = ({ lab, name }: { lab: Lab; name: string }): JSX.Element | null => {
  const account = accountNamed(lab, name);
  if (account === undefined) return null;
  return (
    <>
      <code>{account.username}</code> with the password <code class="secret">{account.password}</code>
    </>
  );
};
