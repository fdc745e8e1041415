/** A person in the console who takes back: signed in, on the page of a token, pressing its button. */
import { randomUUID } from 'node:crypto';
import { openSession } from '../src/console/sessions.ts';
import type { Surroundings } from './surroundings.ts';

export type Operator = {
  /** Opens the page of a token. The button on it, pressed, ends the token's grant; it rejects if nothing came of it. */
  readonly openToken: (jti: string) => Promise<() => Promise<void>>;
};

const HIDDEN_FIELD = /<input type="hidden" name="(\w+)" value="([^"]*)"/g;

/** Signs in at the console of `url`, by a session as a sign-in at Entra leaves it. */
export const signInOperator = async (
  { database, tenant }: Pick<Surroundings, 'database' | 'tenant'>,
  url: string,
): Promise<Operator> => {
  const person = {
    tenant,
    object: randomUUID(),
    name: 'Operator',
    username: 'operator@lab.example',
    roles: ['Operator'],
    authenticatedAt: null,
    authenticationContexts: [],
  };
  const session = await openSession(database, person, { replaces: null, traceId: '0'.repeat(32) });
  const cookie = `countersign_session=${session}`;
  return {
    openToken: async (jti) => {
      const address = `${url}/tokens/${jti}`;
      const page = await fetch(address, { headers: { cookie } });
      const text = await page.text();
      if (!page.ok) throw new Error(`the page of ${jti} is answered with ${page.status}`);
      const form = new URLSearchParams({ deed: 'end_grant', reason: 'measured' });
      for (const [, name = '', value = ''] of text.matchAll(HIDDEN_FIELD)) form.set(name, value);
      return async () => {
        const answer = await fetch(address, {
          method: 'POST',
          redirect: 'manual',
          headers: { cookie, origin: url, 'sec-fetch-site': 'same-origin' },
          body: form,
        });
        if (answer.status !== 303) throw new Error(`${jti} was not taken back: ${answer.status}`);
      };
    },
  };
};
