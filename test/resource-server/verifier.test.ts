import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVerifier, type Verifier } from '../../src/resource-server/index.ts';
import {
  AUDIENCE,
  createSigningKey,
  type LocalIssuer,
  type SigningKey,
  startIssuer,
} from './local-issuer.ts';

let local: LocalIssuer;
let verifier: Verifier;

beforeAll(async () => {
  local = await startIssuer();
  verifier = createVerifier({ issuer: local.issuer, audience: AUDIENCE });
});
afterAll(() => local.close());

const seconds = (): number => Math.floor(Date.now() / 1000);
const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const outcome = async (
  authorization: string | undefined,
  scope = 'articles.read',
  by = verifier,
): Promise<string> => {
  const verification = await by.verify(authorization, { scope });
  return 'token' in verification
    ? 'allowed'
    : `${verification.refusal.status} ${verification.refusal.error} ${verification.refusal.reason}`;
};

describe('a good token', () => {
  it('is let through with what it says', async () => {
    const details = [{ type: 'article', ids: [1] }];
    const token = await local.sign({ scope: 'articles.read articles.write', authorization_details: details });
    const verification = await verifier.verify(`Bearer ${token}`, { scope: 'articles.write articles.read' });
    expect(verification).toEqual({
      token: {
        agent: 'support-agent',
        subject: 'support-agent',
        audience: AUDIENCE,
        scopes: ['articles.read', 'articles.write'],
        tokenId: 'tok_0000000000000000000000',
        requestId: 'areq_0000000000000000000000',
        environment: 'prod',
        authorizationDetails: details,
        proofKey: null,
        issuedAt: expect.any(Number),
        expiresAt: expect.any(Number),
      },
    });
  });

  it('may be named in the long form of its type, and its scheme in any case', async () => {
    const token = await local.sign({}, { header: { typ: 'application/at+jwt' } });
    expect(await outcome(`bEARER ${token}`)).toBe('allowed');
  });

  it.each([
    ['expired 4 s ago', { exp: -4 }],
    ['issued 4 s ahead', { iat: 4, exp: 60 }],
    ['not valid for another 4 s', { nbf: 4 }],
  ])('is accepted within the clock tolerance: %s', async (_name, offsets) => {
    const claims = Object.fromEntries(
      Object.entries(offsets).map(([name, offset]) => [name, seconds() + offset]),
    );
    expect(await outcome(`Bearer ${await local.sign(claims)}`)).toBe('allowed');
  });
});

describe('a token with one thing wrong', () => {
  const cases: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ['another issuer', { iss: 'https://attacker.example' }, '401 invalid_token issuer'],
    ['an issuer with a trailing slash', { iss: 'SLASH' }, '401 invalid_token issuer'],
    ['another audience', { aud: 'api://knowledge.test' }, '401 invalid_token audience'],
    ['an audience in another case', { aud: AUDIENCE.toUpperCase() }, '401 invalid_token audience'],
    ['several audiences', { aud: [AUDIENCE, 'api://reports.prod'] }, '401 invalid_token audience'],
    ['its one audience in an array', { aud: [AUDIENCE] }, '401 invalid_token audience'],
    ['no audience', { aud: undefined }, '401 invalid_token audience'],
    ['no expiry', { exp: undefined }, '401 invalid_token claims'],
    ['an expiry in text', { exp: '9999999999' }, '401 invalid_token claims'],
    ['an expiry that is no date', { exp: 1e300 }, '401 invalid_token claims'],
    ['an expiry 6 s ago', { exp: seconds() - 6 }, '401 invalid_token expired'],
    ['an issue time far ahead', { iat: seconds() + 60, exp: seconds() + 90 }, '401 invalid_token claims'],
    ['no issue time', { iat: undefined }, '401 invalid_token claims'],
    ['a start far ahead', { nbf: seconds() + 60 }, '401 invalid_token claims'],
    ['no client_id', { client_id: undefined }, '401 invalid_token claims'],
    ['no subject', { sub: undefined }, '401 invalid_token claims'],
    ['no jti', { jti: undefined }, '401 invalid_token claims'],
    ['no scope', { scope: undefined }, '401 invalid_token claims'],
    ['scopes in an array', { scope: ['articles.read'] }, '401 invalid_token claims'],
    ['scopes with two spaces', { scope: 'articles.read  x' }, '401 invalid_token claims'],
    ['details that are no array', { authorization_details: 'x' }, '401 invalid_token claims'],
    ['a key that it is bound to', { cnf: { jkt: 'x'.repeat(43) } }, '401 invalid_token key_bound'],
    ['a malformed key thumbprint', { cnf: { jkt: 'x' } }, '401 invalid_token key_bound'],
    ['a certificate that it is bound to', { cnf: { 'x5t#S256': 'x' } }, '401 invalid_token key_bound'],
    ['a confirmation that is empty', { cnf: {} }, '401 invalid_token key_bound'],
    ['a confirmation that is null', { cnf: null }, '401 invalid_token key_bound'],
    ['another scope', { scope: 'articles.write' }, '403 insufficient_scope insufficient_scope'],
    [
      'a scope that only begins alike',
      { scope: 'articles.reader' },
      '403 insufficient_scope insufficient_scope',
    ],
  ];
  it.each(cases)('is refused: %s', async (_name, change, expected) => {
    const claims = change.iss === 'SLASH' ? { iss: `${local.issuer}/` } : change;
    expect(await outcome(`Bearer ${await local.sign(claims)}`)).toBe(expected);
  });

  it.each([
    ['JWT', 'type'],
    ['dpop+jwt', 'type'],
    [undefined, 'type'],
  ])('is refused when its type is %s', async (typ, reason) => {
    expect(await outcome(`Bearer ${await local.sign({}, { header: { typ } })}`)).toBe(
      `401 invalid_token ${reason}`,
    );
  });

  it('is refused when it names no key, however few there are', async () => {
    expect(await outcome(`Bearer ${await local.sign({}, { header: { kid: undefined } })}`)).toBe(
      '401 invalid_token unknown_key',
    );
  });

  it('is refused when another key signed it under a known key id', async () => {
    const foreign: SigningKey = { ...(await createSigningKey()), kid: local.key.kid };
    expect(await outcome(`Bearer ${await local.sign({}, { key: foreign })}`)).toBe(
      '401 invalid_token signature',
    );
  });

  it('is refused without a signature, and signed with the public key as a shared secret', async () => {
    const [, payload] = (await local.sign()).split('.');
    const none = `${base64url({ alg: 'none', typ: 'at+jwt', kid: local.key.kid })}.${payload}`;
    expect(await outcome(`Bearer ${none}.`)).toBe('401 invalid_token malformed_token');
    expect(await outcome(`Bearer ${none}.AAAA`)).toBe('401 invalid_token algorithm');
    const input = `${base64url({ alg: 'HS256', typ: 'at+jwt', kid: local.key.kid })}.${payload}`;
    const mac = createHmac('sha256', JSON.stringify(local.key.jwk)).update(input).digest('base64url');
    expect(await outcome(`Bearer ${input}.${mac}`)).toBe('401 invalid_token algorithm');
  });

  it('is refused when an octet of any part is changed', async () => {
    const token = await local.sign();
    for (let position = 0; position < token.length; position += 7) {
      if (token[position] === '.') continue;
      const other = token[position] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, position) + other + token.slice(position + 1);
      expect(await outcome(`Bearer ${changed}`), `position ${position}`).toMatch(/^401 invalid_token/);
    }
  });

  it('is refused in any spelling but the canonical one', async () => {
    const token = await local.sign();
    const last = token.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // The last character of 64 octets carries four bits that decoders ignore.
    const sibling = alphabet[alphabet.indexOf(last) ^ 1];
    expect(await outcome(`Bearer ${token.slice(0, -1)}${sibling}`)).toBe('401 invalid_token malformed_token');
    expect(await outcome(`Bearer ${token}==`)).toBe('401 invalid_token malformed_token');
    expect(await outcome(`Bearer ${token}.x`)).toBe('401 invalid_token malformed_token');
    expect(await outcome(`Bearer ${'a'.repeat(9_000)}.b.c`)).toBe('401 invalid_token malformed_token');
  });
});

describe('the algorithm', () => {
  it('is taken from configuration: an RS256 key of the issuer is no use where only ES256 is expected', async () => {
    const rsa = await createSigningKey('RS256');
    local.publish([local.key.jwk, rsa.jwk]);
    const token = `Bearer ${await local.sign({}, { key: rsa })}`;
    const options = { issuer: local.issuer, audience: AUDIENCE };
    expect(await outcome(token, 'articles.read', createVerifier(options))).toBe(
      '401 invalid_token algorithm',
    );
    const other = createVerifier({ ...options, algorithms: ['RS256'] });
    expect(await outcome(token, 'articles.read', other)).toBe('allowed');
    local.publish([local.key.jwk]);
  });
});

describe('the Authorization header', () => {
  it.each([
    [undefined, '401 null no_token'],
    ['', '401 null no_token'],
    ['Basic abc', '401 null no_token'],
    ['DPoP abc', '401 null no_token'],
    ['Bearer', '400 invalid_request malformed_header'],
    ['Bearer ', '400 invalid_request malformed_header'],
    ['Bearer a b', '400 invalid_request malformed_header'],
    ['Bearer "abc"', '400 invalid_request malformed_header'],
    ['Bearer abc', '401 invalid_token malformed_token'],
  ])('%j is answered %s', async (authorization, expected) => {
    expect(await outcome(authorization)).toBe(expected);
  });

  it('is answered with the challenge of RFC 6750, which names no error when nothing was sent', async () => {
    const challenge = async (authorization: string | undefined): Promise<string> => {
      const verification = await verifier.verify(authorization, { scope: 'articles.read' });
      return 'refusal' in verification ? verification.refusal.challenge : '';
    };
    expect(await challenge(undefined)).toBe('Bearer realm="api://knowledge.prod"');
    expect(await challenge(`Bearer ${await local.sign({ scope: 'other' })}`)).toBe(
      'Bearer realm="api://knowledge.prod", error="insufficient_scope", error_description="the token does not allow this action", scope="articles.read"',
    );
    expect(await challenge(`Bearer ${await local.sign({ exp: seconds() - 60 })}`)).toBe(
      'Bearer realm="api://knowledge.prod", error="invalid_token", error_description="the token is expired"',
    );
  });
});

describe('the id of a refused token', () => {
  const reported = async (claims: Record<string, unknown>, key?: SigningKey): Promise<string | null> => {
    const token = await local.sign(claims, key === undefined ? {} : { key });
    const verification = await verifier.verify(`Bearer ${token}`, { scope: 'articles.read' });
    return 'refusal' in verification ? verification.refusal.tokenId : 'allowed';
  };

  it('is told for tokens of this issuer and API only', async () => {
    expect(await reported({ scope: 'articles.write' })).toBe('tok_0000000000000000000000');
    expect(await reported({ exp: seconds() - 60 })).toBe('tok_0000000000000000000000');
    expect(await reported({ aud: 'api://reports.prod' })).toBeNull();
    expect(await reported({ aud: 'api://reports.prod', exp: seconds() - 60 })).toBeNull();
    const foreign: SigningKey = { ...(await createSigningKey()), kid: local.key.kid };
    expect(await reported({}, foreign)).toBeNull();
  });
});
