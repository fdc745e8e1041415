import { describe, expect, it } from 'vitest';
import { parseKeySet } from '../../src/identity/parse-key-set.ts';
import { currentKey, foreignKey, newPair, TENANT, V1_ISSUER, V2_ISSUER } from './assertions.ts';

const good = currentKey.jwk;
const other = foreignKey.jwk;

const parse = (keys: unknown, issuer = V2_ISSUER) =>
  parseKeySet(typeof keys === 'string' ? keys : JSON.stringify({ keys }), { issuer, tenantId: TENANT });

describe("an issuer's keys", () => {
  it('are taken when they are sound', async () => {
    const { keys, refused } = await parse([good, { ...other, alg: 'RS256', key_ops: ['verify'], x5t: 'x' }]);
    expect([...keys.keys()]).toEqual(['current-key', 'foreign-key']);
    expect(keys.get('current-key')).toMatchObject({ type: 'public', asymmetricKeyType: 'rsa' });
    expect(refused).toEqual([]);
  });

  const small = newPair('bad', 1_024);
  const large = { ...good, kid: 'bad', n: Buffer.alloc(1_025, 0xff).toString('base64url') };
  it.each([
    ['of 1024 bits', small.jwk, '1024 bits'],
    ['of more bits than anybody needs', large, '8200 bits'],
    ['with the exponent 1', { ...good, kid: 'bad', e: 'AQ' }, 'exponent'],
    ['with the exponent 3', { ...good, kid: 'bad', e: 'Aw' }, 'exponent'],
    ['with another spelling of the exponent', { ...good, kid: 'bad', e: 'AAEAAQ' }, 'exponent'],
    ['for encryption', { ...good, kid: 'bad', use: 'enc' }, 'not meant for signatures'],
    ['for encryption, by key_ops', { ...good, kid: 'bad', key_ops: ['encrypt'] }, 'other operations'],
    [
      'for signing as well, by key_ops',
      { ...good, kid: 'bad', key_ops: ['sign', 'verify'] },
      'other operations',
    ],
    ['for another algorithm', { ...good, kid: 'bad', alg: 'PS256' }, 'another algorithm'],
    [
      'published with its private part',
      { ...currentKey.privateKey.export({ format: 'jwk' }), kid: 'bad' },
      'private',
    ],
    ['that is a secret', { kty: 'oct', kid: 'bad', k: 'AAAA' }, 'no RSA key'],
    ['on a curve', { kty: 'EC', kid: 'bad', crv: 'P-256', x: 'AA', y: 'AA' }, 'no RSA key'],
    ['with a leading zero', { ...good, kid: 'bad', n: `AA${good.n}` }, 'malformed'],
    ['with a modulus that is no base64url', { ...good, kid: 'bad', n: `${good.n}==` }, 'malformed'],
    ['without a modulus', { ...good, kid: 'bad', n: undefined }, 'malformed'],
  ])('leave out one %s, telling it, and keep the others (T33)', async (_what, bad, problem) => {
    const { keys, refused } = await parse([bad, other]);
    expect([...keys.keys()]).toEqual(['foreign-key']);
    expect(refused).toEqual([{ keyId: 'bad', problem: expect.stringContaining(problem) }]);
  });

  it.each([[undefined], [7], ['../../etc/passwd'], ['k'.repeat(129)]])(
    'leave out one named %s (T21)',
    async (kid) => {
      const { keys, refused } = await parse([{ ...good, kid }, null, 'x', other]);
      expect([...keys.keys()]).toEqual(['foreign-key']);
      expect(refused).toHaveLength(3);
    },
  );

  it('leave out all of one name that is published twice, or thrice (T21)', async () => {
    const twin = { ...newPair('x').jwk, kid: good.kid };
    expect([...(await parse([good, twin, other])).keys.keys()]).toEqual(['foreign-key']);
    expect([...(await parse([good, twin, good, other])).keys.keys()]).toEqual(['foreign-key']);
  });

  it('are those of this very issuer, after {tenantid} is filled in (T41)', async () => {
    const template = (jwk: object, issuer: string) => ({ ...jwk, issuer });
    const own = template(good, 'https://login.microsoftonline.com/{tenantid}/v2.0');
    const personal = template(
      other,
      'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0',
    );
    const { keys, refused } = await parse([own, personal]);
    expect(keys.get('current-key')).toHaveProperty('type', 'public');
    expect(keys.get('foreign-key')).toBe('foreign');
    expect(refused).toEqual([]);
    await expect(parse([own], V1_ISSUER)).rejects.toThrow('no usable key');
    await expect(parse([template(good, '')])).rejects.toThrow('no usable key');
    await expect(parse([{ ...good, issuer: [V2_ISSUER] }])).rejects.toThrow('no usable key');
  });

  it('keep an own key when another issuer has one of its name (T56)', async () => {
    const twin = { ...other, kid: good.kid, issuer: 'https://elsewhere.example/' };
    for (const order of [
      [good, twin],
      [twin, good],
    ]) {
      expect((await parse(order)).keys.get('current-key')).toHaveProperty('type', 'public');
    }
  });

  it.each([
    ['an empty set (M6)', '{"keys":[]}'],
    ['no set', '{}'],
    ['a page', '<!doctype html>'],
    ['keys that are none', '{"keys":{}}'],
    ['a list', '[]'],
    ['keys named twice', JSON.stringify({ keys: [good] }).replace('{', '{"keys":[],')],
    ['51 keys', JSON.stringify({ keys: Array.from({ length: 51 }, (_, i) => ({ ...good, kid: `k${i}` })) })],
    ['bad keys only', JSON.stringify({ keys: [small.jwk] })],
  ])('are not taken from %s', async (_what, text) => {
    await expect(parse(text)).rejects.toThrow();
  });
});
