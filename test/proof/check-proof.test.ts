import { createHmac } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { createProofCheck } from '../../src/proof/check-proof.ts';
import { createProver, encodePart, type ProofChanges, type Prover, signParts } from '../support/prover.ts';

const TARGET = 'https://broker.example/token';
const checkProof = createProofCheck();
const NOW = 1_770_000_000;
const DEMAND = { method: 'POST', target: TARGET, now: NOW };

let prover: Prover;
beforeAll(async () => {
  prover = await createProver();
});

const goodClaims = { iat: NOW, jti: 'proof-1' };
const proofWith = ({ header = {}, claims = {}, signer }: ProofChanges): string =>
  prover.prove('POST', TARGET, {
    header,
    claims: { ...goodClaims, ...claims },
    ...(signer !== undefined && { signer }),
  });
const outcome = (...proofs: string[]): string => {
  const checked = checkProof(proofs, DEMAND);
  return 'reason' in checked ? checked.reason : 'good';
};

describe('a good proof', () => {
  it.each(['ES256', 'Ed25519', 'EdDSA', 'RS256'] as const)(
    'passes with %s and names its key',
    async (alg) => {
      const { prove, thumbprint } = await createProver(alg);
      const proof = prove('POST', TARGET, { claims: { ...goodClaims, nonce: 'n', ath: 'a' } });
      expect(checkProof([proof], DEMAND)).toEqual({
        proof: { thumbprint, jti: 'proof-1', issuedAt: NOW, nonce: 'n', accessTokenHash: 'a' },
      });
    },
  );

  it.each<[string, ProofChanges]>([
    ['is 60 s old', { claims: { iat: NOW - 60 } }],
    ['is 30 s ahead', { claims: { iat: NOW + 30 } }],
    ['has a time with a fraction', { claims: { iat: NOW - 0.5 } }],
    ['has a jti of 128 characters', { claims: { jti: 'é'.repeat(128) } }],
    ['starts 30 s ahead', { claims: { nbf: NOW + 30 } }],
    ['expires later', { claims: { exp: NOW + 1, nbf: NOW } }],
    ['has a kid and claims that nobody knows', { header: { kid: 'k' }, claims: { sub: 's' } }],
  ])('passes when it %s', (_name, changes) => {
    expect(outcome(proofWith(changes))).toBe('good');
  });

  it.each([
    'HTTPS://BROKER.example/token',
    'https://broker.example:443/token',
    'https://broker.example/token?query#fragment',
    'https://broker.example/a/../token',
    'https://broker.example/%74oken',
  ])('passes for the same address written %s (RFC 9449 section 4.3)', (htu) => {
    expect(outcome(proofWith({ claims: { htu } }))).toBe('good');
  });
});

describe('a proof with one thing wrong', () => {
  it.each<[string, ProofChanges, string]>([
    ['another type', { header: { typ: 'JWT' } }, 'proof_type'],
    ['no type', { header: { typ: undefined } }, 'proof_type'],
    ['the type of an access token', { header: { typ: 'at+jwt' } }, 'proof_type'],
    ['alg none', { header: { alg: 'none' } }, 'proof_algorithm'],
    ['no alg', { header: { alg: undefined } }, 'proof_algorithm'],
    ['a list of algorithms', { header: { alg: ['ES256'] } }, 'proof_algorithm'],
    ['an algorithm that is not accepted', { header: { alg: 'ES384' } }, 'proof_algorithm'],
    ['the name of a member of every object as alg', { header: { alg: 'constructor' } }, 'proof_algorithm'],
    ['an algorithm of another kind of key', { header: { alg: 'RS256' } }, 'proof_key'],
    ['an Ed25519 algorithm', { header: { alg: 'Ed25519' } }, 'proof_key'],
    ['a crit header', { header: { crit: ['x'], x: 1 } }, 'proof_malformed'],
    ['an unencoded payload', { header: { b64: false } }, 'proof_malformed'],
    ['a compressed payload', { header: { zip: 'DEF' } }, 'proof_malformed'],
    ['a type of content', { header: { cty: 'JWT' } }, 'proof_malformed'],
    ['an address of a certificate', { header: { x5u: 'https://attacker.example' } }, 'proof_malformed'],
    ['a certificate', { header: { x5c: ['AA=='] } }, 'proof_malformed'],
    ['an address of a key', { header: { jku: 'https://attacker.example' } }, 'proof_malformed'],
    ['no key', { header: { jwk: undefined } }, 'proof_key'],
    ['a key that is text', { header: { jwk: 'x' } }, 'proof_key'],
    ['another method', { claims: { htm: 'GET' } }, 'proof_method'],
    ['the method in another case', { claims: { htm: 'post' } }, 'proof_method'],
    ['no method', { claims: { htm: undefined } }, 'proof_malformed'],
    ['no address', { claims: { htu: undefined } }, 'proof_malformed'],
    ['another path', { claims: { htu: 'https://broker.example/tokens' } }, 'proof_target'],
    ['the path in another case', { claims: { htu: 'https://broker.example/Token' } }, 'proof_target'],
    ['a path one slash longer', { claims: { htu: `${TARGET}/` } }, 'proof_target'],
    ['another scheme', { claims: { htu: 'http://broker.example/token' } }, 'proof_target'],
    ['another port', { claims: { htu: 'https://broker.example:8443/token' } }, 'proof_target'],
    ['another host', { claims: { htu: 'https://broker.example.attacker.example/token' } }, 'proof_target'],
    [
      'the host as user of another',
      { claims: { htu: 'https://broker.example@attacker.example/token' } },
      'proof_target',
    ],
    ['a user', { claims: { htu: 'https://user@broker.example/token' } }, 'proof_target'],
    ['backslashes', { claims: { htu: 'https:\\\\broker.example\\token' } }, 'proof_target'],
    ['a slash too many', { claims: { htu: 'https:///broker.example/token' } }, 'proof_target'],
    ['a space before the address', { claims: { htu: ` ${TARGET}` } }, 'proof_target'],
    ['a path alone', { claims: { htu: '/token' } }, 'proof_target'],
    ['an encoded slash', { claims: { htu: 'https://broker.example%2Ftoken' } }, 'proof_target'],
    ['no time', { claims: { iat: undefined } }, 'proof_malformed'],
    ['its time in text', { claims: { iat: String(NOW) } }, 'proof_malformed'],
    ['a time 61 s ago', { claims: { iat: NOW - 61 } }, 'proof_time'],
    ['a time 31 s ahead', { claims: { iat: NOW + 31 } }, 'proof_time'],
    ['an end that has passed', { claims: { exp: NOW } }, 'proof_time'],
    ['an end in text', { claims: { exp: 'never' } }, 'proof_time'],
    ['an end that is a number in text', { claims: { exp: String(NOW + 60) } }, 'proof_time'],
    ['a start that is a number in text', { claims: { nbf: String(NOW) } }, 'proof_time'],
    ['a start far ahead', { claims: { nbf: NOW + 60 } }, 'proof_time'],
    ['no jti', { claims: { jti: undefined } }, 'proof_malformed'],
    ['an empty jti', { claims: { jti: '' } }, 'proof_malformed'],
    ['a jti that is a number', { claims: { jti: 7 } }, 'proof_malformed'],
    ['a jti of 129 characters', { claims: { jti: 'x'.repeat(129) } }, 'proof_malformed'],
    ['a NUL in its jti', { claims: { jti: 'a\0' } }, 'proof_malformed'],
    ['a nonce that is no text', { claims: { nonce: 1 } }, 'proof_malformed'],
  ])('is refused: %s', (_name, changes, reason) => {
    expect(outcome(proofWith(changes))).toBe(reason);
  });

  it('is refused beyond 4,096 characters, and passes with as many', () => {
    const proofs = Array.from({ length: 9 }, (_, more) => {
      const spare = (4_096 - proofWith({ claims: { filler: '' } }).length) * (3 / 4);
      return proofWith({ claims: { filler: 'x'.repeat(Math.floor(spare) - 4 + more) } });
    });
    expect(proofs.map(({ length }) => length)).toContain(4_096);
    for (const proof of proofs)
      expect(outcome(proof)).toBe(proof.length > 4_096 ? 'proof_malformed' : 'good');
  });

  it('is refused when another key signed it', async () => {
    const { privateKey } = await createProver();
    expect(outcome(proofWith({ signer: privateKey }))).toBe('proof_signature');
  });

  it('is refused when an octet of any part is changed', () => {
    const proof = proofWith({});
    for (let position = 0; position < proof.length; position += 3) {
      if (proof[position] === '.') continue;
      const changed =
        proof.slice(0, position) + (proof[position] === 'A' ? 'B' : 'A') + proof.slice(position + 1);
      expect(outcome(changed), `position ${position}`).not.toBe('good');
    }
  });

  it('is refused with a time that is no number of JSON', () => {
    for (const iat of ['1e999', '-1e999', 'NaN']) {
      const claims = Buffer.from(`{"jti":"j","htm":"POST","htu":"${TARGET}","iat":${iat}}`).toString(
        'base64url',
      );
      const header = encodePart({ typ: 'dpop+jwt', alg: 'ES256', jwk: prover.jwk });
      expect(outcome(signParts(prover.privateKey, header, claims))).not.toBe('good');
    }
  });

  it('is refused when header, key or claims name a member twice', () => {
    const { crv, kty, x, y } = prover.jwk;
    const key = JSON.stringify({ crv, kty, x, y });
    const claims = encodePart({ jti: 'j', htm: 'POST', htu: TARGET, iat: NOW });
    const cases = [
      [`{"typ":"JWT","typ":"dpop+jwt","alg":"ES256","jwk":${key}}`, claims],
      [`{"typ":"dpop+jwt","alg":"ES256","jwk":${key.replace('{', '{"x":"AA",')}}`, claims],
      [
        `{"typ":"dpop+jwt","alg":"ES256","jwk":${key}}`,
        Buffer.from(`{"jti":"a","jti":"b","htm":"POST","htu":"${TARGET}","iat":${NOW}}`).toString(
          'base64url',
        ),
      ],
    ];
    for (const [header = '', payload = ''] of cases) {
      const encoded = Buffer.from(header).toString('base64url');
      expect(outcome(signParts(prover.privateKey, encoded, payload))).toBe('proof_malformed');
    }
  });

  it('is refused with a name that an escape hides after a text that came before (nodejs/node#63785)', () => {
    const hiding = (members: object, name: string): string => {
      const escaped = `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
      // No text before had this member: the engine expects the name that came after it, and takes the escape for that.
      const start = JSON.stringify({ ...members, [`before_${name}`]: 0 }).slice(0, -1);
      for (let times = 0; times < 3; times += 1)
        JSON.parse(`${start},"\\${escaped.slice(0, name.length)}":0}`);
      return Buffer.from(`${start},"${escaped}":["x"]}`).toString('base64url');
    };
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: prover.jwk };
    const claims = { ...goodClaims, htm: 'POST', htu: TARGET };
    for (const [headerPart, claimsPart] of [
      [hiding(header, 'crit'), encodePart(claims)],
      [encodePart(header), hiding(claims, 'exp')],
    ] as const)
      expect(outcome(signParts(prover.privateKey, headerPart, claimsPart))).toBe('proof_malformed');
  });

  it('is refused as a symmetric signature with its public key as secret', () => {
    const signed = `${encodePart({ typ: 'dpop+jwt', alg: 'HS256', jwk: prover.jwk })}.${encodePart(goodClaims)}`;
    const mac = createHmac('sha256', JSON.stringify(prover.jwk)).update(signed).digest('base64url');
    expect(outcome(`${signed}.${mac}`)).toBe('proof_algorithm');
  });

  it('is refused in any spelling but the canonical one, and as anything but one JWT', () => {
    const proof = proofWith({});
    const bad = [
      '',
      '.',
      '..',
      'x',
      `${proof}=`,
      ` ${proof}`,
      `${proof} `,
      `${proof}.`,
      `${proof}, ${proof}`,
    ];
    for (const text of [...bad, proof.split('.').slice(0, 2).join('.'), `${proof.split('.')[0]}..`]) {
      expect(outcome(text), text).toBe('proof_malformed');
    }
    const unsigned = proof.slice(0, proof.lastIndexOf('.') + 1);
    expect(outcome(unsigned)).toBe('proof_malformed');
    expect(outcome(`${unsigned}AAAA`)).toBe('proof_signature');
  });

  it('is refused when there are two of them, or none', () => {
    expect(outcome(proofWith({}), proofWith({ claims: { jti: 'proof-2' } }))).toBe('proof_malformed');
    expect(outcome()).toBe('proof_malformed');
  });
});
