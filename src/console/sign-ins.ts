/**
 * Sign-ins that are under way: between leaving for Entra and coming back. Each is bound to the browser it began in
 * and good for one return; an answer of Entra that somebody else was lured to is nobody's (RFC 9700 section 4.7).
 */
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import { newSecret } from './cookies.ts';
import { newSignInSecrets, type SignInSecrets } from './entra.ts';
import { sha256 } from './sessions.ts';

/** Long enough for a password and a second factor. */
export const SIGN_IN_SECONDS = 600;

/**
 * Under way at a time, of everybody: far more than people begin within ten minutes. Strangers begin them too, only so
 * many an address, but from many addresses; beyond this the oldest are forgotten, so that whoever signs in meanwhile
 * and takes a minute is stopped only by a flood that begins as many in a minute.
 */
export const SIGN_INS_MAX = 5_000;

/** Records a sign-in of this browser. Returns the `state` that Entra brings back. */
export const beginSignIn = async (
  database: Database,
  signIn: { readonly browser: string; readonly returnTo: string },
): Promise<{ readonly state: string; readonly secrets: SignInSecrets }> => {
  const state = newSecret();
  const secrets = newSignInSecrets();
  await sql`
    with over as (delete from sign_ins where expires_at <= greatest(now(),
      (select expires_at from sign_ins order by expires_at desc offset ${SIGN_INS_MAX - 1} limit 1)))
    insert into sign_ins (state_hash, browser_hash, secrets, return_to, expires_at)
    values (${sha256(state)}, ${sha256(signIn.browser)}, ${JSON.stringify(secrets)}, ${signIn.returnTo},
      now() + make_interval(secs => ${SIGN_IN_SECONDS}))`.execute(database.db);
  return { state, secrets };
};

/** Takes the sign-in that a return belongs to, once. Null: unknown, over, used before, or another browser's. */
export const takeSignIn = async (
  database: Database,
  { state, browser }: { readonly state: string; readonly browser: string },
): Promise<{ readonly secrets: SignInSecrets; readonly returnTo: string } | null> => {
  const { rows } = await sql<{ secrets: SignInSecrets; returnTo: string }>`
    delete from sign_ins
    where state_hash = ${sha256(state)} and browser_hash = ${sha256(browser)} and expires_at > now()
    returning secrets, return_to as "returnTo"`.execute(database.db);
  return rows[0] ?? null;
};
