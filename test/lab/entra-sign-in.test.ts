import { randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { personOf } from '../../lab/world.ts';
import { codeChallenge, newBrowser, redeem, replyOf, signInCode, verifier } from './entra-browser.ts';
import { msalClient, REDIRECT_URI, startTestEntra, type TestEntra, verify } from './entra-fixture.ts';

let lab: TestEntra;

beforeAll(async () => {
  lab = await startTestEntra();
});
afterAll(() => lab.stop());

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
    const reply = replyOf(await newBrowser(lab).signInAs(url, 'approver'));
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
      const code = await signInCode(lab);
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

describe('an authorization code', () => {
  it('works once', async () => {
    const code = await signInCode(lab);
    expect(await redeem(lab, code)).toMatchObject({ token_type: 'Bearer', scope: 'openid profile' });
    expect(await redeem(lab, code)).toMatchObject({ error: 'invalid_grant', error_codes: [54005] });
  });

  it('works once when two redeem it at the same time', async () => {
    const code = await signInCode(lab);
    const answers = await Promise.all([redeem(lab, code), redeem(lab, code)]);
    expect(answers.map((answer) => 'id_token' in answer).sort()).toEqual([false, true]);
  });

  it.each([
    ['another verifier', { code_verifier: randomBytes(32).toString('base64url') }, 501481],
    ['no verifier', { code_verifier: '' }, 501481],
    ['another reply address', { redirect_uri: 'http://127.0.0.1:8400/' }, 500112],
    ['no secret', { client_secret: '' }, 7000218],
    ['a code of nobody', { code: 'nobody' }, 9002313],
  ])('is refused with %s', async (_case, change, number) => {
    expect(await redeem(lab, await signInCode(lab), change)).toMatchObject({ error_codes: [number] });
  });

  it('is refused to another application than it was made for', async () => {
    const tool = lab.world.tools[0];
    const stolen = { client_id: tool?.clientId ?? '', client_secret: tool?.clientSecret ?? '' };
    expect(await redeem(lab, await signInCode(lab), stolen)).toMatchObject({ error_codes: [9002313] });
  });

  it('gives an access token for somebody else than the broker', async () => {
    const { access_token: token } = await redeem(lab, await signInCode(lab));
    expect(decodeJwt(String(token))).toMatchObject({
      aud: '00000003-0000-0000-c000-000000000000',
      idtyp: 'user',
      scp: 'openid profile',
    });
  });
});
