/** Every limit of the checks at its exact place: the last value that passes, and the first that does not. */
import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { readAgentFacets } from '../../src/identity/agent-facets.ts';
import { checkTimes } from '../../src/identity/check-times.ts';
import { ASSERTION_MAX_CHARACTERS, parseCompactJws } from '../../src/identity/compact-jws.ts';
import { parseKeySet } from '../../src/identity/parse-key-set.ts';
import { isRocaModulus } from '../../src/identity/roca.ts';
import {
  CLIENT,
  currentKey,
  foreignKey,
  HOUR,
  NOW,
  NOW_SECONDS,
  TENANT,
  V2_ISSUER,
  v2Assertion,
  verifierOf,
} from './assertions.ts';

const { verify } = await verifierOf();

describe('the times', () => {
  const good = { exp: NOW_SECONDS + HOUR, iat: NOW_SECONDS, nbf: NOW_SECONDS };
  it.each([
    ['exp 29 s ago', { exp: NOW_SECONDS - 29 }, null],
    ['exp 30 s ago', { exp: NOW_SECONDS - 30 }, { reason: 'exp' }],
    ['exp of another kind', { exp: null }, { reason: 'exp' }],
    ['nbf 30 s ahead', { nbf: NOW_SECONDS + 30 }, null],
    ['nbf 31 s ahead', { nbf: NOW_SECONDS + 31 }, { reason: 'time' }],
    ['nbf of another kind', { nbf: '0' }, { reason: 'time' }],
    ['iat 30 s ahead', { iat: NOW_SECONDS + 30 }, null],
    ['iat 31 s ahead', { iat: NOW_SECONDS + 31 }, { reason: 'time' }],
    ['iat a day and 30 s ago', { iat: NOW_SECONDS - 24 * HOUR - 30 }, null],
    ['iat a day and 31 s ago', { iat: NOW_SECONDS - 24 * HOUR - 31 }, { reason: 'time' }],
    ['no iat', { iat: undefined }, { reason: 'time' }],
  ])('%s', (_what, changes, expected) => {
    expect(checkTimes({ ...good, ...changes }, NOW)).toEqual(expected);
  });
});

describe('the claims', () => {
  it.each([
    ['a life of exactly 25 hours', { iat: NOW_SECONDS, exp: NOW_SECONDS + 25 * HOUR }, null],
    ['a life of a second more', { iat: NOW_SECONDS, exp: NOW_SECONDS + 25 * HOUR + 1 }, 'lifetime'],
    ['exp = iat', { iat: NOW_SECONDS, exp: NOW_SECONDS }, 'lifetime'],
    ['iat with a fraction', { iat: NOW_SECONDS + 0.5 }, 'time'],
    ['nbf of the very first second', { nbf: 0 }, 'time'],
    ['the same client said twice', { appid: CLIENT }, null],
    ['a uti of 64 characters', { uti: 'a'.repeat(64) }, null],
    ['a role of 120 characters', { roles: ['r'.repeat(120)] }, null],
    ['a role of 121 characters', { roles: ['r'.repeat(121)] }, 'roles'],
    ['a role that ends well only', { roles: ['é'.concat('role')] }, 'roles'],
    ['a role that begins well only', { roles: ['role'.concat('é')] }, 'roles'],
    ['an empty role', { roles: [''] }, 'roles'],
  ])('%s', async (_what, claims, reason) => {
    const expected = reason === null ? { workload: expect.anything() } : { reason };
    expect(await verify(v2Assertion(claims))).toEqual(expected);
  });

  it('tell which actors they name, and nothing of them', async () => {
    expect(await verify(v2Assertion({ act: { sub: 'x' }, may_act: 1, acts: 1 }))).toMatchObject({
      workload: { actorClaims: ['act', 'may_act'] },
    });
  });
});

describe('the length', () => {
  it(`of ${ASSERTION_MAX_CHARACTERS} characters is the last that is read`, () => {
    expect(parseCompactJws('.'.repeat(8_192))).toEqual({ reason: 'format' });
    expect(parseCompactJws('.'.repeat(8_193))).toEqual({ reason: 'size' });
  });

  it('is told before anything is decoded, whatever the text is (T30)', () => {
    const split = vi.spyOn(String.prototype, 'split');
    const decode = vi.spyOn(Buffer, 'from');
    const texts = ['a'.repeat(1_048_576), '.'.repeat(1_000_000)];
    const answers = texts.map(parseCompactJws);
    const calls = split.mock.calls.length + decode.mock.calls.length;
    vi.restoreAllMocks();
    expect(answers).toEqual([{ reason: 'size' }, { reason: 'size' }]);
    expect(calls).toBe(0);
  });
});

describe('the facets', () => {
  const twenty = Array.from({ length: 20 }, (_, n) => String(n)).join(' ');
  it.each([
    ['11 3 3 1234', [3, 11, 1234]],
    [twenty, Array.from({ length: 20 }, (_, n) => n)],
    [`${twenty} 20`, []],
    ['12345', []],
    ['1 12345', []],
    ['x1', []],
    ['1x', []],
    ['1  2', []],
    [[7], []],
    [7, []],
  ])('of %j are %j', (claim, numbers) => {
    expect(readAgentFacets(claim, undefined)).toEqual({ actor: numbers, subject: [] });
    expect(readAgentFacets(undefined, claim)).toEqual({ actor: [], subject: numbers });
  });
  it('are none where neither claim is there', () => {
    expect(readAgentFacets(undefined, undefined)).toBeNull();
  });
});

describe('published keys', () => {
  const parse = (keys: readonly object[]) =>
    parseKeySet(JSON.stringify({ keys }), { issuer: V2_ISSUER, tenantId: TENANT });
  const problemOf = async (bad: object): Promise<string | undefined> =>
    (await parse([{ ...foreignKey.jwk, kid: 'bad', ...bad }, currentKey.jwk])).refused[0]?.problem;
  /** Odd, and no work of the flawed generator: a hash's bits, the first of them set. */
  const modulusOf = (bits: number): string => {
    const bytes = Buffer.concat(
      Array.from({ length: Math.ceil(bits / 256) + 1 }, (_, n) =>
        createHash('sha256').update(`${n}`).digest(),
      ),
    ).subarray(0, Math.ceil(bits / 8));
    const first = ((bits - 1) % 8) + 1;
    bytes[0] = ((bytes[0] ?? 0) & (2 ** first - 1)) | (2 ** (first - 1));
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1;
    return bytes.toString('base64url');
  };

  it.each([2_047, 8_193])('of %i bits are refused, with the number', async (bits) => {
    expect(await problemOf({ n: modulusOf(bits) })).toBe(`its modulus has ${bits} bits`);
  });
  it.each([2_048, 8_192])('of %i bits are taken', async (bits) => {
    expect(await problemOf({ n: modulusOf(bits) })).toBeUndefined();
  });
  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])('that show %s are refused', async (member) => {
    expect(await problemOf({ [member]: 'AA' })).toBe('it is published with its private part');
  });
  it('that name no purpose are taken', async () => {
    expect(await problemOf({ use: undefined })).toBeUndefined();
  });
  it('that name their one purpose twice are refused', async () => {
    expect(await problemOf({ key_ops: ['verify', 'verify'] })).toBe('it is meant for other operations');
  });
  it('of 128 characters are the last that can be named, and 50 the last that are read', async () => {
    const named = (length: number) => ({ ...currentKey.jwk, kid: 'k'.repeat(length) });
    expect((await parse([named(128)])).refused).toEqual([]);
    expect((await parse([named(129), currentKey.jwk])).refused).toEqual([
      { keyId: '', problem: 'it has no usable kid' },
    ]);
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => ({ ...currentKey.jwk, kid: `k-${n}` }));
    expect((await parse(many(50))).keys.size).toBe(50);
    await expect(parse(many(51))).rejects.toThrow('the document has more than 50 keys');
  });
  it('without a list are no keys', async () => {
    await expect(parseKeySet('{"keys":{}}', { issuer: V2_ISSUER, tenantId: TENANT })).rejects.toThrow(
      'the document is no JWK Set',
    );
  });
});

describe('the mark of the flawed generator', () => {
  const PRIMES = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
  ].map(BigInt);
  const product = PRIMES.reduce((all, prime) => all * prime, 1n);
  const flawed = (65_537n ** 7n % product) + product * 2n ** 1_800n;
  const bytesOf = (number: bigint): Buffer => {
    const hex = number.toString(16);
    return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  };
  const powersOf = (prime: bigint): Set<bigint> => {
    const powers = new Set<bigint>();
    for (let power = 1n; !powers.has(power); power = (power * 65_537n) % prime) powers.add(power);
    return powers;
  };

  it('is seen on what it makes', () => {
    expect(isRocaModulus(bytesOf(flawed))).toBe(true);
  });
  it.each(PRIMES.map(Number))('is not seen on what differs modulo %i alone', (number) => {
    const prime = BigInt(number);
    const powers = powersOf(prime);
    const step = product / prime;
    let other = flawed + step;
    while (powers.has(other % prime)) other += step;
    expect(isRocaModulus(bytesOf(other))).toBe(false);
  });
});
