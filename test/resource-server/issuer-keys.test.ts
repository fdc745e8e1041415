import type { JWK } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createVerifier,
  KeysUnavailable,
  type Revocations,
  type Verifier,
} from '../../src/resource-server/index.ts';
import { NOTHING_REVOKED } from './local-feed.ts';
import { AUDIENCE, createSigningKey, json, type LocalIssuer, startIssuer } from './local-issuer.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

let local: LocalIssuer;
let passed: number;

beforeEach(async () => {
  local = await startIssuer();
  passed = 0;
});
afterEach(() => local.close());

const newVerifier = (options: { fetch?: typeof fetch; revocations?: Revocations } = {}): Verifier =>
  createVerifier({
    issuer: local.issuer,
    audience: AUDIENCE,
    now: () => Date.now() + passed,
    revocations: NOTHING_REVOKED,
    ...options,
  });
const reads = (): number => local.history.filter((request) => request === 'GET /jwks').length;

/** Tokens that outlive the hours that a test lets pass. */
const sign: LocalIssuer['sign'] = (claims, options) =>
  local.sign({ exp: Math.floor(Date.now() / 1000) + 86_400, ...claims }, options);

const outcome = async (verifier: Verifier, token: string): Promise<string> => {
  try {
    const verification = await verifier.verify(`Bearer ${token}`, { scope: 'articles.read' });
    return 'token' in verification ? 'allowed' : verification.refusal.reason;
  } catch (error) {
    if (error instanceof KeysUnavailable) return 'unavailable';
    throw error;
  }
};

describe('reading the keys', () => {
  it('happens once for any number of callers, and not again while they are fresh', async () => {
    const verifier = newVerifier();
    const token = await sign();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome(verifier, token)));
    expect(new Set(outcomes)).toEqual(new Set(['allowed']));
    passed = 4 * MINUTE;
    expect(await outcome(verifier, token)).toBe('allowed');
    expect(reads()).toBe(1);
  });

  it('finds a new key at once when the cooldown is over, and invented ids cause one read per cooldown', async () => {
    const verifier = newVerifier();
    expect(await outcome(verifier, await sign())).toBe('allowed');
    const next = await createSigningKey();
    local.publish([local.key.jwk, next.jwk]);
    passed = 31 * SECOND;
    const withNext = await sign({}, { key: next });
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome(verifier, withNext)));
    expect(new Set(outcomes)).toEqual(new Set(['allowed']));
    expect(reads()).toBe(2);
    const stranger = await createSigningKey();
    for (let flood = 0; flood < 20; flood += 1) {
      expect(await outcome(verifier, await sign({}, { key: stranger }))).toBe('unknown_key');
    }
    expect(reads()).toBe(2);
  });

  it('finds the successor of a withdrawn key within a second, and of that one too, whoever invented ids before', async () => {
    let withdrawnAt = Number.NEGATIVE_INFINITY;
    const verifier = newVerifier({ revocations: { ...NOTHING_REVOKED, keyWithdrawnAt: () => withdrawnAt } });
    expect(await outcome(verifier, await sign())).toBe('allowed');
    for (let withdrawal = 0; withdrawal < 2; withdrawal += 1) {
      const [next, stranger] = [await createSigningKey(), await createSigningKey()];
      expect(await outcome(verifier, await sign({}, { key: stranger }))).toBe('unknown_key');
      local.publish([next.jwk]);
      withdrawnAt = Date.now() + passed;
      passed += 1_100;
      expect(await outcome(verifier, await sign({}, { key: next }))).toBe('allowed');
    }
  });

  it('forgets a key that is no longer published', async () => {
    const verifier = newVerifier();
    const next = await createSigningKey();
    const token = await sign();
    expect(await outcome(verifier, token)).toBe('allowed');
    local.publish([next.jwk]);
    passed = 6 * MINUTE;
    expect(await outcome(verifier, token)).toBe('unknown_key');
  });

  it('forgets it too when the clock was set back meanwhile', async () => {
    const verifier = newVerifier();
    const next = await createSigningKey();
    const token = await sign();
    passed = 60 * MINUTE;
    expect(await outcome(verifier, token)).toBe('allowed');
    local.publish([next.jwk]);
    passed = 0;
    expect(await outcome(verifier, token)).toBe('unknown_key');
  });

  // Where the set itself would do, it holds another key only: taking it would show.
  const other = createSigningKey().then(({ jwk }) => jwk);
  it.each<[string, (jwk: JWK) => Parameters<LocalIssuer['answer']>[1]]>([
    ['an empty set', () => json(200, { keys: [] })],
    [
      'a set without a usable key',
      (jwk) => json(200, { keys: [{ ...jwk, alg: 'ES384' }, { ...jwk, d: 'x' }, { ...jwk, kid: 1 }, null] }),
    ],
    ['no JSON', () => (_request, response) => response.end('<html>')],
    ['another document', () => json(200, [])],
    [
      'a set that names its keys twice',
      (jwk) => (_request, response) => response.end(`{"keys":[],"keys":[${JSON.stringify(jwk)}]}`),
    ],
    ['an error', (jwk) => json(500, { keys: [jwk] })],
    ['a redirect', () => (_request, response) => response.writeHead(302, { location: '/other' }).end()],
    ['a set without end', (jwk) => json(200, { keys: [jwk], padding: 'x'.repeat(300_000) })],
    ['too many keys', (jwk) => json(200, { keys: Array.from({ length: 51 }, () => jwk) })],
    ['a broken connection', () => (_request, response) => response.destroy()],
  ])('keeps the known keys when it meets %s', async (_name, answer) => {
    local.answer('/other', json(200, { keys: [await other] }));
    const verifier = newVerifier();
    const token = await sign();
    expect(await outcome(verifier, token)).toBe('allowed');
    local.answer('/jwks', answer(await other));
    passed = 6 * MINUTE;
    expect(await outcome(verifier, token)).toBe('allowed');
    expect(reads()).toBe(2);
    expect(local.history).not.toContain('GET /other');
  });
});

describe('while the keys cannot be read', () => {
  it('known keys stay good for an hour and no longer; unknown ones are unavailable, not invalid', async () => {
    const verifier = newVerifier();
    const token = await sign();
    const unknown = await sign({}, { key: await createSigningKey() });
    expect(await outcome(verifier, token)).toBe('allowed');
    local.answer('/jwks', json(503, {}));
    passed = 59 * MINUTE;
    expect(await outcome(verifier, token)).toBe('allowed');
    expect(await outcome(verifier, unknown)).toBe('unavailable');
    passed = 61 * MINUTE;
    expect(await outcome(verifier, token)).toBe('unavailable');
    local.publish([local.key.jwk]);
    passed = 63 * MINUTE;
    expect(await outcome(verifier, token)).toBe('allowed');
    expect(await outcome(verifier, unknown)).toBe('unknown_key');
  });

  it('asks again with growing pauses, whatever the number of callers', async () => {
    const verifier = newVerifier();
    const token = await sign();
    local.answer('/jwks', json(503, {}));
    const readsAfter = async (atSecond: number): Promise<number> => {
      passed = atSecond * SECOND;
      expect(await outcome(verifier, token)).toBe('unavailable');
      expect(await outcome(verifier, token)).toBe('unavailable');
      return reads();
    };
    expect(await readsAfter(0)).toBe(1);
    expect(await readsAfter(2)).toBe(2);
    expect(await readsAfter(3)).toBe(2);
    expect(await readsAfter(5)).toBe(3);
    expect(await readsAfter(8)).toBe(3);
    expect(await readsAfter(600)).toBe(4);
  });

  it('callers with a known key do not wait for a hanging issuer once it is known to hang', async () => {
    let ended = 0;
    const verifier = newVerifier({ fetch: (input, init) => fetch(input, init).finally(() => (ended += 1)) });
    const token = await sign();
    expect(await outcome(verifier, token)).toBe('allowed');
    local.answer('/jwks', json(503, {}));
    passed = 6 * MINUTE;
    expect(await outcome(verifier, token)).toBe('allowed');
    const asked = new Promise<void>((resolve) => local.answer('/jwks', () => resolve()));
    passed = 10 * MINUTE;
    expect(await outcome(verifier, token)).toBe('allowed');
    expect(ended).toBe(2);
    await asked;
  });
});

it('reads through the given fetch, past caches in between', async () => {
  const asked: string[] = [];
  const verifier = newVerifier({
    fetch: (input, init) => {
      asked.push(`${input} ${new Headers(init?.headers).get('cache-control')}`);
      return fetch(input, init);
    },
  });
  expect(await outcome(verifier, await sign())).toBe('allowed');
  expect(asked).toEqual([`${local.issuer}/jwks no-cache`]);
});
