import { decodeProtectedHeader, errors } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFaults } from '../../lab/entra/faults.ts';
import {
  agentToken,
  keysUrl,
  manage,
  publishedKeys,
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
afterEach(async () => {
  expect((await manage(lab.entra, 'DELETE', '/lab/faults')).status).toBe(200);
});

const fault = async (name: string, seconds?: number): Promise<void> => {
  const body = { fault: name, ...(seconds === undefined ? {} : { seconds }) };
  expect((await manage(lab.entra, 'POST', '/lab/faults', body)).status).toBe(200);
};

describe('without a fault', () => {
  it('publishes keys as Entra does, marked with the issuer in v2 only', async () => {
    const [v2, v1] = await Promise.all([publishedKeys(lab.entra, 2), publishedKeys(lab.entra, 1)]);
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
    token = await agentToken(lab);
    await verify(lab.entra, token);
  });

  it('keys_down answers 503 while tokens go on, and DELETE restores', async () => {
    await fault('keys_down');
    for (const version of [1, 2] as const)
      expect((await fetch(keysUrl(lab.entra, version))).status).toBe(503);
    const later = await agentToken(lab);
    await manage(lab.entra, 'DELETE', '/lab/faults');
    await verify(lab.entra, later);
  });

  it('a fault with seconds ends by itself', async () => {
    await fault('keys_down', 0.05);
    await expect.poll(async () => (await fetch(keysUrl(lab.entra))).status).toBe(200);
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
    await expect(fetch(keysUrl(lab.entra), { signal: AbortSignal.timeout(150) })).rejects.toThrow();
    const held = publishedKeys(lab.entra);
    await expect.poll(() => lab.entra.history().filter((entry) => entry.status === null).length).toBe(2);
    await manage(lab.entra, 'DELETE', '/lab/faults');
    expect((await held).length).toBeGreaterThan(0);
  });

  it('keys_rolled starts a current key that nobody has seen, for good, and goes on publishing the old one', async () => {
    const seen = (await publishedKeys(lab.entra)).map((key) => key.kid);
    await fault('keys_rolled');
    await manage(lab.entra, 'DELETE', '/lab/faults');
    const after = await agentToken(lab);
    expect(seen).not.toContain(decodeProtectedHeader(after).kid);
    await verify(lab.entra, after);
    await verify(lab.entra, token);
  });

  it('keys_rolled leaves a fault in force as it is', async () => {
    await fault('keys_down');
    await fault('keys_rolled');
    expect((await fetch(keysUrl(lab.entra))).status).toBe(503);
  });

  it('keys_removed publishes all but the current key, which still signs', async () => {
    await fault('keys_removed');
    await expect(verify(lab.entra, token)).rejects.toThrow(errors.JWKSNoMatchingKey);
    await expect(verify(lab.entra, await agentToken(lab))).rejects.toThrow(errors.JWKSNoMatchingKey);
    await verify(lab.entra, await signBy(lab.entra, 'next'));
  });

  it('keys_empty publishes no key', async () => {
    await fault('keys_empty');
    expect(await (await fetch(keysUrl(lab.entra))).json()).toEqual({ keys: [] });
  });

  it('keys_huge sends 50 MB of valid JSON without saying so beforehand', async () => {
    await fault('keys_huge');
    const answer = await fetch(keysUrl(lab.entra));
    expect(answer.headers.get('content-length')).toBeNull();
    const text = await answer.text();
    expect(text.length).toBeGreaterThan(50 * 1024 * 1024);
    expect((JSON.parse(text) as { keys: unknown[] }).keys.length).toBeGreaterThan(1);
  });

  it('keys_huge survives a client that hangs up', async () => {
    await fault('keys_huge');
    const answer = await fetch(keysUrl(lab.entra));
    await answer.body?.cancel();
    await manage(lab.entra, 'DELETE', '/lab/faults');
    await verify(lab.entra, token);
  });

  it('keys_redirect leads to keys that an attacker can sign with, and the history shows who followed', async () => {
    await fault('keys_redirect');
    const answer = await fetch(keysUrl(lab.entra), { redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(await answer.text()).not.toContain('"n"');
    const followers = () => lab.entra.history().filter((entry) => entry.path === '/elsewhere/keys').length;
    expect(followers()).toBe(0);
    const foreign = decodeProtectedHeader(await signBy(lab.entra, 'foreign')).kid;
    expect((await publishedKeys(lab.entra)).map((key) => key.kid)).toContain(foreign);
    expect(followers()).toBe(1);
  });

  it('keys_weak publishes a 1024-bit key, with which key "next" signs', async () => {
    await fault('keys_weak');
    const weak = decodeProtectedHeader(await signBy(lab.entra, 'next')).kid;
    const found = (await publishedKeys(lab.entra)).find((key) => key.kid === weak);
    expect(Buffer.from(found?.n ?? '', 'base64url')).toHaveLength(128);
    await verify(lab.entra, token);
    await manage(lab.entra, 'DELETE', '/lab/faults');
    expect((await publishedKeys(lab.entra)).map((key) => key.kid)).not.toContain(weak);
  });

  it("keys_foreign_issuer marks the current key with another tenant's issuer", async () => {
    await fault('keys_foreign_issuer');
    const { kid } = decodeProtectedHeader(token);
    for (const version of [1, 2] as const) {
      const current = (await publishedKeys(lab.entra, version)).find((key) => key.kid === kid);
      expect(current?.issuer).toMatch(
        new RegExp(`^${lab.entra.authority}/[0-9a-f-]{36}/${version === 2 ? 'v2.0' : ''}$`),
      );
      expect(current?.issuer).not.toContain(lab.entra.tenant);
    }
    const next = (await publishedKeys(lab.entra)).find((key) => key.kid !== kid);
    expect(next?.issuer).toContain(lab.entra.tenant);
  });
});
