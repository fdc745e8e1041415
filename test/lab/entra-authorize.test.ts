import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorizeUrl, newBrowser, redeem, replyOf, signInCode } from './entra-browser.ts';
import { REDIRECT_URI, startTestEntra, type TestEntra } from './entra-fixture.ts';

let lab: TestEntra;

beforeAll(async () => {
  lab = await startTestEntra();
});
afterAll(() => lab.stop());

const authTimeOf = async (code: string): Promise<number> =>
  Number(decodeJwt(String((await redeem(lab, code)).id_token)).auth_time);

describe('the account form', () => {
  it('is labelled, runs no script, and says that it is a lab', async () => {
    const answer = await newBrowser(lab).open(authorizeUrl(lab, { login_hint: 'auditor@lab.example' }));
    const page = await answer.text();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page).toContain('This is a lab');
    expect(page).toMatch(/<label for="username">.*<label for="password">/s);
    expect(page).toMatch(/<input id="username"[^>]* value="auditor@lab\.example"/);
    expect(page).not.toContain('<script');
  });

  it('comes back with a message when the password is wrong or the account unknown, and quotes nothing raw', async () => {
    const browser = newBrowser(lab);
    for (const username of ['approver@lab.example', '"><b>nobody']) {
      const answer = await browser.signIn(authorizeUrl(lab), username, 'wrong');
      const page = await answer.text();
      expect(answer.status).toBe(400);
      expect(answer.headers.get('location')).toBeNull();
      expect(page).toContain('role="alert"');
      expect(page).not.toContain('<b>');
    }
  });

  it('leaves roles out for a person without any', async () => {
    const { id_token: idToken } = await redeem(lab, await signInCode(lab, 'visitor'));
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
      const answer = await newBrowser(lab).signInAs(authorizeUrl(lab, change), 'approver');
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
    const reply = replyOf(await newBrowser(lab).open(authorizeUrl(lab, change)));
    expect(reply.get('error')).toBe(error);
    expect(reply.get('error_description')).toMatch(/^AADSTS\d+: /);
    expect(reply.get('state')).toBe('the state');
    expect(reply.has('code')).toBe(false);
  });

  it('answers with a form to be submitted when response_mode is form_post', async () => {
    const answer = await newBrowser(lab).signInAs(
      authorizeUrl(lab, { response_mode: 'form_post' }),
      'approver',
    );
    const page = await answer.text();
    expect(page).toContain(`<form method="post" action="${REDIRECT_URI}">`);
    expect(page).toContain('name="state" value="the state"');
    const code = /name="code" value="(?<code>[^"]+)"/.exec(page)?.groups?.code ?? '';
    expect(await redeem(lab, code)).toMatchObject({ token_type: 'Bearer' });
  });

  it('takes a reply address that was registered later', async () => {
    const later = 'http://127.0.0.1:9/sign-in/callback';
    expect((await newBrowser(lab).open(authorizeUrl(lab, { redirect_uri: later }))).status).toBe(400);
    lab.entra.addRedirectUri(later);
    expect((await newBrowser(lab).open(authorizeUrl(lab, { redirect_uri: later }))).status).toBe(200);
  });
});

describe('a sign-in that the browser still has', () => {
  it('answers at once, with the time of the real sign-in', async () => {
    const browser = newBrowser(lab);
    const first = await authTimeOf(
      replyOf(await browser.signInAs(authorizeUrl(lab), 'approver')).get('code') ?? '',
    );
    for (const change of [
      {},
      { prompt: 'none' },
      { max_age: '3600' },
      { login_hint: 'approver@lab.example' },
    ]) {
      const again = replyOf(await browser.open(authorizeUrl(lab, change)));
      expect(await authTimeOf(again.get('code') ?? '')).toBe(first);
    }
  });

  it('is not enough for prompt=login, max_age=0, an account choice, or another account', async () => {
    const browser = newBrowser(lab);
    await browser.signInAs(authorizeUrl(lab), 'approver');
    for (const change of [
      { prompt: 'login' },
      { prompt: 'select_account' },
      { max_age: '0' },
      { login_hint: 'auditor@lab.example' },
    ]) {
      const answer = await browser.open(authorizeUrl(lab, change));
      expect(answer.status).toBe(200);
      expect(await answer.text()).toContain('id="password"');
    }
    const other = replyOf(await browser.signInAs(authorizeUrl(lab, { prompt: 'login' }), 'auditor'));
    const { id_token: idToken } = await redeem(lab, other.get('code') ?? '');
    expect(decodeJwt(String(idToken)).preferred_username).toBe('auditor@lab.example');
  });

  it('ends at logout, which leads back only to an origin of the application', async () => {
    const browser = newBrowser(lab);
    await browser.signInAs(authorizeUrl(lab), 'approver');
    const logout = (target: string): Promise<Response> =>
      browser.open(
        `${lab.entra.authority}/${lab.entra.tenant}/oauth2/v2.0/logout?post_logout_redirect_uri=${encodeURIComponent(target)}`,
      );
    const back = await logout('http://127.0.0.1:8400/');
    expect([back.status, back.headers.get('location')]).toEqual([303, 'http://127.0.0.1:8400/']);
    expect((await browser.open(authorizeUrl(lab))).status).toBe(200);
    const away = await logout('https://attacker.example/');
    expect([away.status, away.headers.get('location')]).toEqual([200, null]);
  });
});
