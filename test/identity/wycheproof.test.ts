/**
 * Public vectors of C2SP/wycheproof against the parts of the verifier that any JWS passes: canonical base64url,
 * strict header, RS256 only, keys checked at ingest, and the verification of the signature. Set WYCHEPROOF_DIR to their
 * folder, or put it beside the checkout as `shared/vectors`; without it the tests are skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeBase64url } from '../../src/base64url.ts';
import { isSignedBy } from '../../src/identity/is-signed-by.ts';
import { parseKeySet } from '../../src/identity/parse-key-set.ts';
import { isJsonObject, parseStrictJson } from '../../src/strict-json.ts';
import { type Json, TENANT, V2_ISSUER, verifierOf } from './assertions.ts';

const directory = process.env.WYCHEPROOF_DIR ?? '../shared/vectors';
const present = existsSync(join(directory, 'json_web_signature_test.json'));

type Vector = {
  readonly tcId: number;
  readonly comment: string;
  readonly result: string;
  readonly jws: unknown;
};
type Group = {
  readonly comment: string;
  readonly private: Json;
  readonly public?: Json;
  readonly tests: Vector[];
};

const groupsOf = (file: string): Group[] =>
  present ? JSON.parse(readFileSync(join(directory, file), 'utf8')).testGroups : [];

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi'];
const publicPart = (jwk: Json): Json =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => !PRIVATE.includes(name)));

const ingest = (keys: unknown) =>
  parseKeySet(JSON.stringify({ keys }), { issuer: V2_ISSUER, tenantId: TENANT }).catch(() => null);

/** As the verifier does it, but for what concerns the claims: a vector's payload is no JWT. */
const accepts = async (jws: unknown, jwk: Json): Promise<boolean> => {
  if (typeof jws !== 'string') return false;
  const parts = jws.split('.').map(decodeBase64url);
  const [header] = parts;
  if (parts.length !== 3 || parts.includes(null) || !header) return false;
  const { value } = parseStrictJson(header.toString());
  if (!isJsonObject(value) || value.alg !== 'RS256' || value.kid !== jwk.kid) return false;
  const key = (await ingest([publicPart(jwk)]))?.keys.get(String(jwk.kid));
  if (key === undefined || key === 'foreign') return false;
  return isSignedBy(jws, key);
};

describe.skipIf(!present)('the wycheproof vectors (T36)', () => {
  const signatures = groupsOf('json_web_signature_test.json');
  const cases = signatures.flatMap((group) => group.tests.map((vector) => ({ group, vector })));

  it('are all there', () => {
    expect(cases).toHaveLength(401);
  });

  it('that are invalid are never accepted', async () => {
    const accepted: number[] = [];
    for (const { group, vector } of cases) {
      if (vector.result === 'invalid' && (await accepts(vector.jws, group.private)))
        accepted.push(vector.tcId);
    }
    expect(accepted).toEqual([]);
  });

  it('that are valid RS256 are accepted, so the refusals mean something', async () => {
    const valid = cases.filter(({ group, vector }) => group.comment === 'rs256' && vector.result === 'valid');
    const verdicts = await Promise.all(valid.map(({ group, vector }) => accepts(vector.jws, group.private)));
    expect(verdicts).toEqual([true, true, true, true, true, true]);
  });

  it('that are spelt in base64 of another kind are told by their spelling alone', () => {
    const base64 = cases.filter(({ group }) => group.comment === 'base64').map(({ vector }) => vector);
    const valid = new Set(base64.filter(({ result }) => result === 'valid').map(({ jws }) => jws));
    // Two of the fourteen are, in this publication, byte for byte the valid one.
    const spelt = base64.filter(({ jws, result }) => result === 'invalid' && !valid.has(jws));
    const canonical = spelt.filter(({ jws }) => !String(jws).split('.').map(decodeBase64url).includes(null));
    expect(spelt).toHaveLength(12);
    expect(canonical).toEqual([]);
  });

  it('are no assertions to the whole verifier', async () => {
    const { verify } = await verifierOf();
    const verdicts = await Promise.all(cases.map(({ vector }) => verify(String(vector.jws))));
    expect(verdicts.filter((verdict) => !('reason' in verdict))).toEqual([]);
  });
});

describe.skipIf(!present)('the wycheproof key sets (T33)', () => {
  const groups = groupsOf('json_web_key_test.json');
  const keysOf = (group: Group): Json[] => (group.public ?? group.private).keys as Json[];

  it('that are invalid give no key to accept the signature with', async () => {
    const accepted: number[] = [];
    for (const group of groups) {
      for (const vector of group.tests.filter(({ result }) => result === 'invalid')) {
        const verdicts = await Promise.all(keysOf(group).map((jwk) => accepts(vector.jws, jwk)));
        if (verdicts.includes(true)) accepted.push(vector.tcId);
      }
    }
    expect(accepted).toEqual([]);
  });

  it('of the flawed generator are told by their modulus', async () => {
    const [jwk] = groups.filter(({ comment }) => comment === 'jws_rsa_roca_key').flatMap(keysOf);
    const sound = groups.filter(({ comment }) => comment === 'rs256').flatMap(keysOf)[0];
    const parsed = await parseKeySet(JSON.stringify({ keys: [jwk, sound] }), {
      issuer: V2_ISSUER,
      tenantId: TENANT,
    });
    expect(parsed.refused).toEqual([
      { keyId: 'kid-rsa-roca-sign', problem: expect.stringContaining('2017-15361') },
    ]);
    expect([...parsed.keys.keys()]).toEqual(['kid-rsa-sign']);
  });
});
