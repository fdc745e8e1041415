import { createHmac, createSecretKey, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  AUDIENCE,
  currentKey,
  foreignKey,
  OBJECT,
  refuser,
  signRs256,
  V2_ISSUER,
  v2Assertion,
  v2Claims,
  v2Header,
  verifierOf,
} from './assertions.ts';

const { verify, sought } = await verifierOf();
const refuses = refuser(verify);
type Case = readonly [what: string, assertion: string];
const base64url = (text: string | Buffer): string => Buffer.from(text).toString('base64url');
const [headerPart = '', payloadPart = '', signaturePart = ''] = v2Assertion().split('.');

describe('the form', () => {
  refuses('size', [
    ['16 KiB (T30)', v2Assertion({ rh: 'x'.repeat(16_384) })],
    ['a megabyte (T30)', 'a'.repeat(1_000_000)],
    ['a million dots (T30)', '.'.repeat(1_000_000)],
  ]);
  refuses('format', [
    ['empty', ''],
    ['an opaque token (T35)', 'opaque'],
    ['two parts', `${headerPart}.${payloadPart}`],
    ['four parts', `${headerPart}.${payloadPart}.${signaturePart}.${signaturePart}`],
    ['five parts, as an encrypted token has', 'a.b.c.d.e'],
    ['thousands of dots (T30)', '.'.repeat(8_000)],
    ['a header that is no JSON', signRs256('x', v2Claims())],
    ['an array for a header', signRs256('[]', v2Claims())],
    ['an array for a payload (M7)', signRs256(v2Header(), '[{"iss":"x"}]')],
    ['a string for a payload', signRs256(v2Header(), '"x"')],
    ['a payload nested too deeply', signRs256(v2Header(), `{"a":${'['.repeat(40)}${']'.repeat(40)}}`)],
    ['a lone surrogate', signRs256(v2Header(), '{"sub":"\\ud800"}')],
    ['an escaped second name (T23)', signRs256(v2Header(), '{"sub":"a","s\\u0075b":"b"}')],
    [
      'an escaped crit (T22)',
      signRs256('{"alg":"RS256","kid":"current-key","cri\\u0074":["b64"]}', v2Claims()),
    ],
    ['a nested token: cty (T31)', v2Assertion({}, { cty: 'JWT' })],
    ['a compressed one: zip (T31)', v2Assertion({}, { zip: 'DEF' })],
  ]);
  refuses('encoding', [
    ['a space inside (T24)', `${headerPart}.${payloadPart}. ${signaturePart}`],
    ['a newline at the end (T24)', `${headerPart}.${payloadPart}.${signaturePart}\n`],
    ['a newline at the start', `\n${headerPart}.${payloadPart}.${signaturePart}`],
    ['padding (T24)', `${headerPart}.${payloadPart}.${signaturePart}==`],
    ['the alphabet of base64 (T24)', `${headerPart}.${payloadPart}.${'+/'.repeat(171)}`],
    ['a character beyond ASCII', `${headerPart}.${payloadPart}.${signaturePart.slice(0, -1)}é`],
    [
      'UTF-8 that is none',
      `${headerPart}.${base64url(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))}.${signaturePart}`,
    ],
  ]);
  it('refuses every other spelling of the last character of each part (T24, M5)', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = signaturePart.at(-1);
    const spellings = [...alphabet].filter((character) => character !== last);
    const verdicts = spellings.map((c) =>
      verify(`${headerPart}.${payloadPart}.${signaturePart.slice(0, -1)}${c}`),
    );
    const reasons = (await Promise.all(verdicts)).map((verdict) => 'reason' in verdict && verdict.reason);
    expect(new Set(reasons)).toEqual(new Set(['encoding', 'signature']));
    expect(reasons.filter((reason) => reason === 'encoding')).toHaveLength(60);
  });
  refuses('dup', [
    [
      'alg twice (T23)',
      signRs256('{"typ":"JWT","alg":"none","alg":"RS256","kid":"current-key"}', v2Claims()),
    ],
    [
      'sub twice (T23)',
      signRs256(v2Header(), JSON.stringify(v2Claims()).replace('{', `{"sub":"${OBJECT}",`)),
    ],
    ['twice within a claim (T23)', signRs256(v2Header(), '{"a":[{"b":1,"b":1}]}')],
  ]);
});

describe('the header', () => {
  const publicPem = currentKey.jwk.n ?? '';
  const hmac = (secret: string): string => {
    const signed = `${base64url(JSON.stringify({ ...v2Header(), alg: 'HS256' }))}.${payloadPart}`;
    const key = createSecretKey(Buffer.from(secret));
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
  };
  const signedWith = (alg: string, digest: string): string => {
    const signed = `${base64url(JSON.stringify({ ...v2Header(), alg }))}.${payloadPart}`;
    return `${signed}.${sign(digest, Buffer.from(signed), currentKey.privateKey).toString('base64url')}`;
  };
  refuses('alg', [
    ...['none', 'NONE', 'nOnE'].map(
      (alg): Case => [
        `${alg}, unsigned (T17)`,
        `${base64url(JSON.stringify({ typ: 'JWT', alg, kid: 'current-key' }))}.${payloadPart}.`,
      ],
    ),
    ['none, signed (T17)', v2Assertion({}, { alg: 'none' })],
    ['none at all (T17)', v2Assertion({}, { alg: undefined })],
    ['a list (T17)', v2Assertion({}, { alg: ['RS256'] })],
    ['in lower case', v2Assertion({}, { alg: 'rs256' })],
    ['with a space (T18)', v2Assertion({}, { alg: ' RS256' })],
    ['HS256 with the public key as secret (T18)', hmac(publicPem)],
    ['HS256 with the public key and whitespace as secret (T18)', hmac(` ${publicPem}\n`)],
    ['RS384 of the same key (T19)', signedWith('RS384', 'sha384')],
    ['RS512 of the same key (T19)', signedWith('RS512', 'sha512')],
    ['PS256 named for it (T19)', signedWith('PS256', 'sha256')],
    ['ES256 named for it (T19)', signedWith('ES256', 'sha256')],
  ]);
  refuses('type', [
    ['no typ', v2Assertion({}, { typ: undefined })],
    ['an access token such as ours (T35)', v2Assertion({}, { typ: 'at+jwt' })],
    ['a logout token (T35)', v2Assertion({}, { typ: 'logout+jwt' })],
    ['a DPoP proof (T35)', v2Assertion({}, { typ: 'dpop+jwt', alg: 'ES256' })],
    [
      'an ID token, which names no client (T35)',
      v2Assertion({ azp: undefined, azpacr: undefined, nonce: 'n' }),
    ],
  ]);
  refuses('crit', [
    ['crit with an unknown name (T22)', v2Assertion({}, { crit: ['x'], x: 1 })],
    ['crit, empty (T22)', v2Assertion({}, { crit: [] })],
    ['b64 false (T22)', v2Assertion({}, { b64: false, crit: ['b64'] })],
    ['b64 true', v2Assertion({}, { b64: true })],
  ]);
  it.each(['jwk', 'jku', 'x5u', 'x5c'])(
    'refuses a token that brings its own key by %s, looking for none (T20)',
    async (name) => {
      const brought = {
        jwk: foreignKey.jwk,
        jku: 'https://127.0.0.1/keys',
        x5u: 'https://127.0.0.1/x',
        x5c: ['MIIB'],
      };
      const header = { ...v2Header(), [name]: brought[name as keyof typeof brought] };
      sought.length = 0;
      expect(await verify(signRs256(header, v2Claims(), foreignKey))).toEqual({ reason: 'header' });
      expect(sought).toEqual([]);
    },
  );
  it.each([
    ['a path', '../../etc/passwd'],
    ['SQL', "' or 1=1 --"],
    ['of 129 characters', 'k'.repeat(129)],
    ['a number', 7],
    ['an empty one', ''],
    ['none', undefined],
    ['a list', ['current-key']],
  ])('refuses a kid that is %s, looking for none (T21)', async (_what, kid) => {
    sought.length = 0;
    const payload = { iss: V2_ISSUER, aud: AUDIENCE };
    expect(await verify(signRs256({ ...v2Header(), kid }, payload))).toEqual({ reason: 'kid' });
    expect(sought).toEqual([]);
  });
  refuses('kid', [['a key that nobody publishes', v2Assertion({}, { kid: 'nobody-s' })]]);
});
