/** A person at a browser, as far as signing in goes: what they open, type and keep, and what the console then does. */
import { createHash, randomBytes } from 'node:crypto';
import { personOf } from '../../lab/world.ts';
import { postForm, REDIRECT_URI, type TestEntra } from './entra-fixture.ts';

type Change = Readonly<Record<string, string>>;

export type Browser = {
  readonly open: (url: string) => Promise<Response>;
  readonly signIn: (url: string, username: string, password: string) => Promise<Response>;
  /** Signs in with the password of this person of the world. */
  readonly signInAs: (url: string, name: string) => Promise<Response>;
};

/** A browser that keeps one cookie and follows no redirect by itself. */
export const newBrowser = (lab: TestEntra): Browser => {
  let cookie = '';
  const send = async (url: string, init: RequestInit): Promise<Response> => {
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { Cookie: cookie } });
    const [set] = answer.headers.getSetCookie();
    if (set !== undefined) cookie = set.split(';')[0] ?? '';
    return answer;
  };
  const signIn = (url: string, username: string, password: string): Promise<Response> =>
    send(url, { method: 'POST', body: new URLSearchParams({ username, password }) });
  return {
    open: (url) => send(url, {}),
    signIn,
    signInAs: (url, name) => {
      const { username, password } = personOf(lab.world, name);
      return signIn(url, username, password);
    },
  };
};

export const verifier = randomBytes(32).toString('base64url');
export const codeChallenge = createHash('sha256').update(verifier).digest('base64url');

/** The address that a console sends its people to; `change` replaces parameters. */
export const authorizeUrl = ({ entra, world }: TestEntra, change: Change = {}): string => {
  const query = new URLSearchParams({
    client_id: world.broker.clientId,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    scope: 'openid profile',
    state: 'the state',
    nonce: 'the nonce',
    code_challenge: codeChallenge,
    code_challenge_method: 'S256',
    ...change,
  });
  return `${entra.authority}/${entra.tenant}/oauth2/v2.0/authorize?${query}`;
};

/** What the console's reply address was given; throws when the browser was not sent there. */
export const replyOf = (answer: Response): URLSearchParams => {
  const location = answer.headers.get('location') ?? '';
  if (!location.startsWith(`${REDIRECT_URI}?`)) throw new Error(`sent to '${location}' (${answer.status})`);
  return new URL(location).searchParams;
};

/** Redeems a code as the console would; `change` replaces parameters. */
export const redeem = async (
  { entra, world }: TestEntra,
  code: string,
  change: Change = {},
): Promise<Record<string, unknown>> => {
  const answer = await postForm(entra, '/oauth2/v2.0/token', {
    grant_type: 'authorization_code',
    client_id: world.broker.clientId,
    client_secret: world.broker.clientSecret,
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
    code,
    ...change,
  });
  return (await answer.json()) as Record<string, unknown>;
};

/** Signs somebody in and gives the code. */
export const signInCode = async (lab: TestEntra, name = 'approver'): Promise<string> =>
  replyOf(await newBrowser(lab).signInAs(authorizeUrl(lab), name)).get('code') ?? '';
