import { createHmac } from 'node:crypto';
import { compactVerify, decodeProtectedHeader, errors, importJWK } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFaults } from '../../lab/entra/faults.ts';
import { agentOf } from '../../lab/world.ts';
import { manage, postForm, startTestEntra, type TestEntra, verify } from './entra-fixture.ts';

let lab: TestEntra;

beforeAll(async () => {
  lab = await startTestEntra();
});
afterAll(() => lab.stop());
afterEach(async () => {
  expect((await manage(lab.entra, 'DELETE', '/lab/faults')).status).toBe(200);
});

type Key = { readonly kid: string; readonly n: string; readonly issuer?: string };

const keysUrl = (version: 1 | 2 = 2): string =>
  `${lab.entra.authority}/${lab.entra.tenant}/discovery/${version === 2 ? 'v2.0/' : ''}keys`;
const publishedKeys = async (version: 1 | 2 = 2): Promise<readonly Key[]> =>
  ((await (await fetch(keysUrl(version))).json()) as { keys: Key[] }).keys;

const agentToken = async (): Promise<string> => {
  const { clientId, clientSecret } = agentOf(lab.world, 'ops-agent');
  const answer = await postForm(lab.entra, '/oauth2/v2.0/token', {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: lab.entra.scope,
  });
  return ((await answer.json()) as { access_token: string }).access_token;
};

const fault = async (name: string, seconds?: number): Promise<void> => {
  const body = { fault: name, ...(seconds === undefined ? {} : { seconds }) };
  expect((await manage(lab.entra, 'POST', '/lab/faults', body)).status).toBe(200);
};

type SignRequest = {
  readonly header: unknown;
  readonly payload: unknown;
  readonly key: string;
  readonly secret?: string;
};
const sign = async (request: SignRequest): Promise<{ token: string; kid: string }> => {
  const answer = await manage(lab.entra, 'POST', '/lab/sign', request);
  expect(answer.status).toBe(200);
  return (await answer.json()) as { token: string; kid: string };
};
const signBy = async (key: string): Promise<string> => {
  const { kid } = await sign({ header: {}, payload: {}, key });
  return (await sign({ header: { typ: 'JWT', alg: 'RS256', kid }, payload: { sub: 'x' }, key })).token;
};

describe('signing on request', () => {
  it('signs with the current and the next key, which are published, and with a foreign one, which is not', async () => {
    await verify(lab.entra, await signBy('current'));
    await verify(lab.entra, await signBy('next'));
    expect(decodeProtectedHeader(await signBy('current')).kid).toBe(
      decodeProtectedHeader(await agentToken()).kid,
    );
    await expect(verify(lab.entra, await signBy('foreign'))).rejects.toThrow(errors.JWKSNoMatchingKey);
  });

  it('takes strings byte for byte, and adds nothing to objects', async () => {
    const header = '{ "alg":"RS256",\n"alg":"RS256" }';
    const { token } = await sign({ header, payload: 'not json é', key: 'current' });
    const [first = '', second = ''] = token
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString());
    expect([first, second]).toEqual([header, 'not json é']);
    const bare = await sign({ header: { alg: 'RS256' }, payload: { a: 1 }, key: 'current' });
    expect(decodeProtectedHeader(bare.token)).toEqual({ alg: 'RS256' });
  });

  it('leaves the signature empty for none', async () => {
    for (const alg of ['none', 'nOnE']) {
      expect((await sign({ header: { alg }, payload: {}, key: 'current' })).token).toMatch(
        /^[^.]+\.[^.]+\.$/,
      );
    }
  });

  it('signs HS algorithms with the given secret, and refuses them without', async () => {
    const request = { header: { alg: 'HS256' }, payload: {}, key: 'current' };
    const { token } = await sign({ ...request, secret: 'known' });
    const [head, body, signature] = token.split('.');
    expect(signature).toBe(createHmac('sha256', 'known').update(`${head}.${body}`).digest('base64url'));
    expect((await manage(lab.entra, 'POST', '/lab/sign', request)).status).toBe(400);
  });

  it.each(['ES256', 'RS256 ', undefined])('signs as RS256 what the key cannot do: %s', async (alg) => {
    const strange = await sign({ header: { alg }, payload: { same: true }, key: 'current' });
    expect(Buffer.from(strange.token.split('.')[2] ?? '', 'base64url')).toHaveLength(256);
  });

  it('signs PS256, RS384 and RS512 as the header says', async () => {
    for (const alg of ['PS256', 'RS384', 'RS512']) {
      const { kid } = await sign({ header: {}, payload: {}, key: 'current' });
      const { token } = await sign({ header: { alg, kid }, payload: {}, key: 'current' });
      const keys = await publishedKeys();
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
    expect((await fetch(keysUrl())).status).toBe(200);
  });
});

describe('without a fault', () => {
  it('publishes keys as Entra does, marked with the issuer in v2 only', async () => {
    const [v2, v1] = await Promise.all([publishedKeys(2), publishedKeys(1)]);
    expect(v2.length).toBeGreaterThanOrEqual(2);
    for (const key of v2) {
      expect(key).toEqual({
        kty: 'RSA',
        use: 'sig',
        kid: expect.any(String),
        x5t: key.kid,
        n: expect.stringMatching(/^[\w-]{342}$/),
        e: 'AQAB',
        x5c: [expect.any(String)],
        issuer: `${lab.entra.authority}/${lab.entra.tenant}/v2.0`,
      });
    }
    expect(v1.map((key) => [key.kid, key.issuer])).toEqual(v2.map((key) => [key.kid, undefined]));
  });
});

describe('faults of publishing', () => {
  let token: string;
  beforeEach(async () => {
    token = await agentToken();
    await verify(lab.entra, token);
  });

  it('keys_down answers 503 while tokens go on, and DELETE restores', async () => {
    await fault('keys_down');
    for (const version of [1, 2] as const) expect((await fetch(keysUrl(version))).status).toBe(503);
    const later = await agentToken();
    await manage(lab.entra, 'DELETE', '/lab/faults');
    await verify(lab.entra, later);
  });

  it('a fault with seconds ends by itself', async () => {
    await fault('keys_down', 0.05);
    await expect.poll(async () => (await fetch(keysUrl())).status).toBe(200);
  });

  it('a new fault takes the place of the last, and its time with it', () => {
    vi.useFakeTimers();
    try {
      const faults = createFaults();
      faults.set('keys_down', 1);
      faults.set('keys_empty', undefined);
      vi.advanceTimersByTime(2000);
      expect(faults.inForce()).toBe('keys_empty');
      faults.set('keys_down', 1);
      vi.advanceTimersByTime(2000);
      expect(faults.inForce()).toBeNull();
    } finally {
      vi.useRealTimers();
    }
  });

  it('keys_slow holds the answer until the fault is over', async () => {
    await fault('keys_slow');
    await expect(fetch(keysUrl(), { signal: AbortSignal.timeout(150) })).rejects.toThrow();
    const held = publishedKeys();
    await expect.poll(() => lab.entra.history().filter((entry) => entry.status === null).length).toBe(2);
    await manage(lab.entra, 'DELETE', '/lab/faults');
    expect((await held).length).toBeGreaterThan(0);
  });

  it('keys_rolled starts a current key that nobody has seen, for good, and goes on publishing the old one', async () => {
    const seen = (await publishedKeys()).map((key) => key.kid);
    await fault('keys_rolled');
    await manage(lab.entra, 'DELETE', '/lab/faults');
    const after = await agentToken();
    expect(seen).not.toContain(decodeProtectedHeader(after).kid);
    await verify(lab.entra, after);
    await verify(lab.entra, token);
  });

  it('keys_rolled leaves a fault in force as it is', async () => {
    await fault('keys_down');
    await fault('keys_rolled');
    expect((await fetch(keysUrl())).status).toBe(503);
  });

  it('keys_removed publishes all but the current key, which still signs', async () => {
    await fault('keys_removed');
    await expect(verify(lab.entra, token)).rejects.toThrow(errors.JWKSNoMatchingKey);
    await expect(verify(lab.entra, await agentToken())).rejects.toThrow(errors.JWKSNoMatchingKey);
    await verify(lab.entra, await signBy('next'));
  });

  it('keys_empty publishes no key', async () => {
    await fault('keys_empty');
    expect(await (await fetch(keysUrl())).json()).toEqual({ keys: [] });
  });

  it('keys_huge sends 50 MB of valid JSON without saying so beforehand', async () => {
    await fault('keys_huge');
    const answer = await fetch(keysUrl());
    expect(answer.headers.get('content-length')).toBeNull();
    const text = await answer.text();
    expect(text.length).toBeGreaterThan(50 * 1024 * 1024);
    expect((JSON.parse(text) as { keys: unknown[] }).keys.length).toBeGreaterThan(1);
  });

  it('keys_huge survives a client that hangs up', async () => {
    await fault('keys_huge');
    const answer = await fetch(keysUrl());
    await answer.body?.cancel();
    await manage(lab.entra, 'DELETE', '/lab/faults');
    await verify(lab.entra, token);
  });

  it('keys_redirect leads to keys that an attacker can sign with, and the history shows who followed', async () => {
    await fault('keys_redirect');
    const answer = await fetch(keysUrl(), { redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(await answer.text()).not.toContain('"n"');
    const followers = () => lab.entra.history().filter((entry) => entry.path === '/elsewhere/keys').length;
    expect(followers()).toBe(0);
    const foreign = decodeProtectedHeader(await signBy('foreign')).kid;
    expect((await publishedKeys()).map((key) => key.kid)).toContain(foreign);
    expect(followers()).toBe(1);
  });

  it('keys_weak publishes a 1024-bit key, with which key "next" signs', async () => {
    await fault('keys_weak');
    const weak = decodeProtectedHeader(await signBy('next')).kid;
    const found = (await publishedKeys()).find((key) => key.kid === weak);
    expect(Buffer.from(found?.n ?? '', 'base64url')).toHaveLength(128);
    await verify(lab.entra, token);
    await manage(lab.entra, 'DELETE', '/lab/faults');
    expect((await publishedKeys()).map((key) => key.kid)).not.toContain(weak);
  });

  it("keys_foreign_issuer marks the current key with another tenant's issuer", async () => {
    await fault('keys_foreign_issuer');
    const { kid } = decodeProtectedHeader(token);
    for (const version of [1, 2] as const) {
      const current = (await publishedKeys(version)).find((key) => key.kid === kid);
      expect(current?.issuer).toMatch(
        new RegExp(`^${lab.entra.authority}/[0-9a-f-]{36}/${version === 2 ? 'v2.0' : ''}$`),
      );
      expect(current?.issuer).not.toContain(lab.entra.tenant);
    }
    const next = (await publishedKeys()).find((key) => key.kid !== kid);
    expect(next?.issuer).toContain(lab.entra.tenant);
  });
});

describe('the history', () => {
  it('tells each request with its answer, and leaves management and queries out', async () => {
    await fetch(`${keysUrl()}?secret=1`);
    await fetch(`${lab.entra.authority}/nowhere`);
    const answer = await fetch(`${lab.entra.authority}/lab/history`);
    const entries = (await answer.json()) as { at: string; method: string; path: string; status: number }[];
    expect(entries.slice(-2)).toEqual([
      { at: expect.any(String), method: 'GET', path: new URL(keysUrl()).pathname, status: 200 },
      { at: expect.any(String), method: 'GET', path: '/nowhere', status: 404 },
    ]);
    expect(new Date(entries.at(-1)?.at ?? '').toISOString()).toBe(entries.at(-1)?.at);
    expect(entries.filter((entry) => entry.path.startsWith('/lab/'))).toEqual([]);
  });
});
