import { createHmac } from 'node:crypto';
import { compactVerify, decodeProtectedHeader, errors, importJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  agentToken,
  keysUrl,
  manage,
  publishedKeys,
  sign,
  signBy,
  startTestEntra,
  type TestEntra,
  verify,
} from './entra-fixture.ts';

let lab: TestEntra;

beforeAll(async () => {
  lab = await startTestEntra();
});
afterAll(() => lab.stop());

describe('signing on request', () => {
  it('signs with the current and the next key, which are published, and with a foreign one, which is not', async () => {
    await verify(lab.entra, await signBy(lab.entra, 'current'));
    await verify(lab.entra, await signBy(lab.entra, 'next'));
    expect(decodeProtectedHeader(await signBy(lab.entra, 'current')).kid).toBe(
      decodeProtectedHeader(await agentToken(lab)).kid,
    );
    await expect(verify(lab.entra, await signBy(lab.entra, 'foreign'))).rejects.toThrow(
      errors.JWKSNoMatchingKey,
    );
  });

  it('takes strings byte for byte, and adds nothing to objects', async () => {
    const header = '{ "alg":"RS256",\n"alg":"RS256" }';
    const { token } = await sign(lab.entra, { header, payload: 'not json é', key: 'current' });
    const [first = '', second = ''] = token
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString());
    expect([first, second]).toEqual([header, 'not json é']);
    const bare = await sign(lab.entra, { header: { alg: 'RS256' }, payload: { a: 1 }, key: 'current' });
    expect(decodeProtectedHeader(bare.token)).toEqual({ alg: 'RS256' });
  });

  it('leaves the signature empty for none', async () => {
    for (const alg of ['none', 'nOnE']) {
      expect((await sign(lab.entra, { header: { alg }, payload: {}, key: 'current' })).token).toMatch(
        /^[^.]+\.[^.]+\.$/,
      );
    }
  });

  it('signs HS algorithms with the given secret, and refuses them without', async () => {
    const request = { header: { alg: 'HS256' }, payload: {}, key: 'current' };
    const { token } = await sign(lab.entra, { ...request, secret: 'known' });
    const [head, body, signature] = token.split('.');
    expect(signature).toBe(createHmac('sha256', 'known').update(`${head}.${body}`).digest('base64url'));
    expect((await manage(lab.entra, 'POST', '/lab/sign', request)).status).toBe(400);
  });

  it.each(['ES256', 'RS256 ', undefined])('signs as RS256 what the key cannot do: %s', async (alg) => {
    const strange = await sign(lab.entra, { header: { alg }, payload: { same: true }, key: 'current' });
    expect(Buffer.from(strange.token.split('.')[2] ?? '', 'base64url')).toHaveLength(256);
  });

  it('signs PS256, RS384 and RS512 as the header says', async () => {
    for (const alg of ['PS256', 'RS384', 'RS512']) {
      const { kid } = await sign(lab.entra, { header: {}, payload: {}, key: 'current' });
      const { token } = await sign(lab.entra, { header: { alg, kid }, payload: {}, key: 'current' });
      const keys = await publishedKeys(lab.entra);
      const key = await importJWK({ ...keys.find((one) => one.kid === kid), kty: 'RSA' }, alg);
      await compactVerify(token, key);
    }
  });

  it('refuses what it does not understand, and anything that is no JSON request', async () => {
    for (const body of [
      {},
      { header: {}, payload: {}, key: 'mine' },
      { header: 1, payload: {}, key: 'next' },
    ]) {
      expect((await manage(lab.entra, 'POST', '/lab/sign', body)).status).toBe(400);
    }
    expect((await manage(lab.entra, 'POST', '/lab/faults', { fault: 'no_such_fault' })).status).toBe(400);
    const form = await fetch(`${lab.entra.authority}/lab/faults`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain' },
      body: '{"fault":"keys_down"}',
    });
    expect(form.status).toBe(415);
    expect((await fetch(keysUrl(lab.entra))).status).toBe(200);
  });
});

describe('the history', () => {
  it('tells each request with its answer, and leaves management and queries out', async () => {
    await fetch(`${keysUrl(lab.entra)}?secret=1`);
    await fetch(`${lab.entra.authority}/nowhere`);
    const answer = await fetch(`${lab.entra.authority}/lab/history`);
    const entries = (await answer.json()) as { at: string; method: string; path: string; status: number }[];
    expect(entries.slice(-2)).toEqual([
      { at: expect.any(String), method: 'GET', path: new URL(keysUrl(lab.entra)).pathname, status: 200 },
      { at: expect.any(String), method: 'GET', path: '/nowhere', status: 404 },
    ]);
    expect(new Date(entries.at(-1)?.at ?? '').toISOString()).toBe(entries.at(-1)?.at);
    expect(entries.filter((entry) => entry.path.startsWith('/lab/'))).toEqual([]);
  });
});
