import { createHash, randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { personOf } from '../../lab/world.ts';
import {
  msalClient,
  postForm,
  REDIRECT_URI,
  startTestEntra,
  type TestEntra,
  verify,
} from './entra-fixture.ts';

let lab: TestEntra;

beforeAll(async () => {
  lab = await startTestEntra();
});
afterAll(() => lab.stop());

/** A browser that keeps one cookie and follows nothing by itself. */
class Browser {
  #cookie = '';

  async #send(url: string, init: RequestInit): Promise<Response> {
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { Cookie: this.#cookie } });
    const [set] = answer.headers.getSetCookie();
    if (set !== undefined) this.#cookie = set.split(';')[0] ?? '';
    return answer;
  }

  open(url: string): Promise<Response> {
    return this.#send(url, {});
  }

  signIn(url: string, username: string, password: string): Promise<Response> {
    return this.#send(url, { method: 'POST', body: new URLSearchParams({ username, password }) });
  }

  signInAs(url: string, name: string): Promise<Response> {
    const { username, password } = personOf(lab.world, name);
    return this.signIn(url, username, password);
  }
}

const verifier = randomBytes(32).toString('base64url');
const codeChallenge = createHash('sha256').update(verifier).digest('base64url');

const authorizeUrl = (change: Readonly<Record<string, string>> = {}): string => {
  const query = new URLSearchParams({
    client_id: lab.world.broker.clientId,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    scope: 'openid profile',
    state: 'the state',
    nonce: 'the nonce',
    code_challenge: codeChallenge,
    code_challenge_method: 'S256',
    ...change,
  });
  return `${lab.entra.authority}/${lab.entra.tenant}/oauth2/v2.0/authorize?${query}`;
};

const replyOf = (answer: Response): URLSearchParams => {
  const location = answer.headers.get('location') ?? '';
  expect(location.startsWith(`${REDIRECT_URI}?`)).toBe(true);
  return new URL(location).searchParams;
};

const redeem = async (
  code: string,
  change: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>> => {
  const { clientId, clientSecret } = lab.world.broker;
  const answer = await postForm(lab.entra, '/oauth2/v2.0/token', {
    grant_type: 'authorization_code',
    client_id: clientId,
    client_secret: clientSecret,
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
    code,
    ...change,
  });
  return (await answer.json()) as Record<string, unknown>;
};

const signInCode = async (
  name = 'approver',
  change: Readonly<Record<string, string>> = {},
): Promise<string> => replyOf(await new Browser().signInAs(authorizeUrl(change), name)).get('code') ?? '';

const authTimeOf = async (code: string): Promise<number> =>
  Number(decodeJwt(String((await redeem(code)).id_token)).auth_time);

describe('msal-node, unmodified', () => {
  it('signs a person in by code with PKCE, and gets the roles in the ID token', async () => {
    const { clientId, clientSecret } = lab.world.broker;
    const client = msalClient(lab.entra, { clientId, clientSecret });
    const url = await client.getAuthCodeUrl({
      scopes: [],
      redirectUri: REDIRECT_URI,
      state: 'from msal',
      nonce: 'a nonce',
      codeChallenge,
      codeChallengeMethod: 'S256',
    });
    const reply = replyOf(await new Browser().signInAs(url, 'approver'));
    expect(reply.get('state')).toBe('from msal');
    const before = Math.floor(Date.now() / 1000);
    const result = await client.acquireTokenByCode({
      code: reply.get('code') ?? '',
      scopes: [],
      redirectUri: REDIRECT_URI,
      codeVerifier: verifier,
      nonce: 'a nonce',
    });
    const { payload } = await verify(lab.entra, result.idToken);
    const person = personOf(lab.world, 'approver');
    expect(payload).toEqual({
      aud: clientId,
      iss: `${lab.entra.authority}/${lab.world.tenant}/v2.0`,
      iat: expect.any(Number),
      nbf: payload.iat,
      exp: expect.any(Number),
      aio: expect.any(String),
      auth_time: expect.any(Number),
      name: 'Lab approver',
      nonce: 'a nonce',
      oid: person.objectId,
      preferred_username: 'approver@lab.example',
      rh: expect.any(String),
      roles: ['Approver', 'Approver.payroll', 'Approver.knowledge', 'Approver.release'],
      sub: expect.any(String),
      tid: lab.world.tenant,
      uti: expect.any(String),
      ver: '2.0',
    });
    expect(Math.abs(Number(payload.auth_time) - before)).toBeLessThanOrEqual(5);
    expect(result.account).toMatchObject({ localAccountId: person.objectId, tenantId: lab.world.tenant });
  });

  it('refuses the ID token when the nonce is another', async () => {
    const { clientId, clientSecret } = lab.world.broker;
    const client = msalClient(lab.entra, { clientId, clientSecret });
    const redeemWith = async (nonce: string): Promise<unknown> => {
      const code = await signInCode();
      return client.acquireTokenByCode({
        code,
        scopes: [],
        redirectUri: REDIRECT_URI,
        codeVerifier: verifier,
        nonce,
      });
    };
    await redeemWith('the nonce');
    await expect(redeemWith('another nonce')).rejects.toMatchObject({ errorCode: 'nonce_mismatch' });
  });
});

describe('the account form', () => {
  it('is labelled, runs no script, and says that it is a lab', async () => {
    const answer = await new Browser().open(authorizeUrl({ login_hint: 'auditor@lab.example' }));
    const page = await answer.text();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page).toContain('This is a lab');
    expect(page).toMatch(/<label for="username">.*<label for="password">/s);
    expect(page).toMatch(/<input id="username"[^>]* value="auditor@lab\.example"/);
    expect(page).not.toContain('<script');
  });

  it('comes back with a message when the password is wrong or the account unknown, and quotes nothing raw', async () => {
    const browser = new Browser();
    for (const username of ['approver@lab.example', '"><b>nobody']) {
      const answer = await browser.signIn(authorizeUrl(), username, 'wrong');
      const page = await answer.text();
      expect(answer.status).toBe(400);
      expect(answer.headers.get('location')).toBeNull();
      expect(page).toContain('role="alert"');
      expect(page).not.toContain('<b>');
    }
  });

  it('leaves roles out for a person without any', async () => {
    const { id_token: idToken } = await redeem(await signInCode('visitor'));
    expect(decodeJwt(String(idToken))).not.toHaveProperty('roles');
  });
});

describe('the authorization endpoint', () => {
  it('shows a refusal and redirects nowhere when client or reply address is not registered', async () => {
    for (const [change, number] of [
      [{ redirect_uri: 'https://attacker.example/' }, 50011],
      [{ redirect_uri: `${REDIRECT_URI}/` }, 50011],
      [{ client_id: '00000000-0000-4000-8000-000000000001' }, 700016],
    ] as const) {
      const answer = await new Browser().signInAs(authorizeUrl(change), 'approver');
      expect(answer.status).toBe(400);
      expect(answer.headers.get('location')).toBeNull();
      expect(await answer.text()).toContain(`AADSTS${number}`);
    }
  });

  it.each([
    ['another response type', { response_type: 'token' }, 'unsupported_response_type'],
    ['an unknown response mode', { response_mode: 'carrier_pigeon' }, 'invalid_request'],
    ['no openid scope', { scope: 'profile' }, 'invalid_scope'],
    ['a plain code challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['a short code challenge', { code_challenge: 'short' }, 'invalid_request'],
    ['prompt=none and nobody signed in', { prompt: 'none' }, 'login_required'],
  ])('sends the application an error for %s', async (_case, change, error) => {
    const reply = replyOf(await new Browser().open(authorizeUrl(change)));
    expect(reply.get('error')).toBe(error);
    expect(reply.get('error_description')).toMatch(/^AADSTS\d+: /);
    expect(reply.get('state')).toBe('the state');
    expect(reply.has('code')).toBe(false);
  });

  it('answers with a form to be submitted when response_mode is form_post', async () => {
    const answer = await new Browser().signInAs(authorizeUrl({ response_mode: 'form_post' }), 'approver');
    const page = await answer.text();
    expect(page).toContain(`<form method="post" action="${REDIRECT_URI}">`);
    expect(page).toContain('name="state" value="the state"');
    const code = /name="code" value="(?<code>[^"]+)"/.exec(page)?.groups?.code ?? '';
    expect(await redeem(code)).toMatchObject({ token_type: 'Bearer' });
  });

  it('takes a reply address that was registered later', async () => {
    const later = 'http://127.0.0.1:9/sign-in/callback';
    expect((await new Browser().open(authorizeUrl({ redirect_uri: later }))).status).toBe(400);
    lab.entra.addRedirectUri(later);
    expect((await new Browser().open(authorizeUrl({ redirect_uri: later }))).status).toBe(200);
  });
});

describe('a sign-in that the browser still has', () => {
  it('answers at once, with the time of the real sign-in', async () => {
    const browser = new Browser();
    const first = await authTimeOf(
      replyOf(await browser.signInAs(authorizeUrl(), 'approver')).get('code') ?? '',
    );
    for (const change of [
      {},
      { prompt: 'none' },
      { max_age: '3600' },
      { login_hint: 'approver@lab.example' },
    ]) {
      const again = replyOf(await browser.open(authorizeUrl(change)));
      expect(await authTimeOf(again.get('code') ?? '')).toBe(first);
    }
  });

  it('is not enough for prompt=login, max_age=0, an account choice, or another account', async () => {
    const browser = new Browser();
    await browser.signInAs(authorizeUrl(), 'approver');
    for (const change of [
      { prompt: 'login' },
      { prompt: 'select_account' },
      { max_age: '0' },
      { login_hint: 'auditor@lab.example' },
    ]) {
      const answer = await browser.open(authorizeUrl(change));
      expect(answer.status).toBe(200);
      expect(await answer.text()).toContain('id="password"');
    }
    const other = replyOf(await browser.signInAs(authorizeUrl({ prompt: 'login' }), 'auditor'));
    const { id_token: idToken } = await redeem(other.get('code') ?? '');
    expect(decodeJwt(String(idToken)).preferred_username).toBe('auditor@lab.example');
  });

  it('ends at logout, which leads back only to an origin of the application', async () => {
    const browser = new Browser();
    await browser.signInAs(authorizeUrl(), 'approver');
    const logout = (target: string): Promise<Response> =>
      browser.open(
        `${lab.entra.authority}/${lab.entra.tenant}/oauth2/v2.0/logout?post_logout_redirect_uri=${encodeURIComponent(target)}`,
      );
    const back = await logout('http://127.0.0.1:8400/');
    expect([back.status, back.headers.get('location')]).toEqual([303, 'http://127.0.0.1:8400/']);
    expect((await browser.open(authorizeUrl())).status).toBe(200);
    const away = await logout('https://attacker.example/');
    expect([away.status, away.headers.get('location')]).toEqual([200, null]);
  });
});

describe('an authorization code', () => {
  it('works once', async () => {
    const code = await signInCode();
    expect(await redeem(code)).toMatchObject({ token_type: 'Bearer', scope: 'openid profile' });
    expect(await redeem(code)).toMatchObject({ error: 'invalid_grant', error_codes: [54005] });
  });

  it('works once when two redeem it at the same time', async () => {
    const code = await signInCode();
    const answers = await Promise.all([redeem(code), redeem(code)]);
    expect(answers.map((answer) => 'id_token' in answer).sort()).toEqual([false, true]);
  });

  it.each([
    ['another verifier', { code_verifier: randomBytes(32).toString('base64url') }, 501481],
    ['no verifier', { code_verifier: '' }, 501481],
    ['another reply address', { redirect_uri: 'http://127.0.0.1:8400/' }, 500112],
    ['no secret', { client_secret: '' }, 7000218],
    ['a code of nobody', { code: 'nobody' }, 9002313],
  ])('is refused with %s', async (_case, change, number) => {
    expect(await redeem(await signInCode(), change)).toMatchObject({ error_codes: [number] });
  });

  it('is refused to another application than it was made for', async () => {
    const tool = lab.world.tools[0];
    const stolen = { client_id: tool?.clientId ?? '', client_secret: tool?.clientSecret ?? '' };
    expect(await redeem(await signInCode(), stolen)).toMatchObject({ error_codes: [9002313] });
  });

  it('gives an access token for somebody else than the broker', async () => {
    const { access_token: token } = await redeem(await signInCode());
    expect(decodeJwt(String(token))).toMatchObject({
      aud: '00000003-0000-0000-c000-000000000000',
      idtyp: 'user',
      scp: 'openid profile',
    });
  });
});
