import { describe, expect, it } from 'vitest';
import {
  AUDIENCE,
  CLIENT,
  HOUR,
  type Json,
  NOW,
  NOW_SECONDS,
  OBJECT,
  OTHER_TENANT,
  refuser,
  signRs256,
  TENANT,
  V2_ISSUER,
  v1Assertion,
  v1Claims,
  v2Assertion,
  v2Claims,
  v2Header,
  verifierOf,
} from './assertions.ts';

const { verify } = await verifierOf();
const refuses = refuser(verify);

describe('the times', () => {
  refuses('exp', [
    ['31 s ago (T27)', v2Assertion({ exp: NOW_SECONDS - 31 })],
    ['none (T27)', v2Assertion({ exp: undefined })],
    ['a string (T27)', v2Assertion({ exp: String(NOW_SECONDS + HOUR) })],
    [
      '1e308 (T27)',
      signRs256(v2Header(), JSON.stringify(v2Claims()).replace(`"exp":${NOW_SECONDS + HOUR}`, '"exp":1e308')),
    ],
    ['negative (T27)', v2Assertion({ exp: -1 })],
    ['null (T27)', v2Assertion({ exp: null })],
    ['half a second', v2Assertion({ exp: NOW_SECONDS + 0.5 })],
  ]);
  refuses('time', [
    ['nbf 31 s ahead (T28)', v2Assertion({ nbf: NOW_SECONDS + 31 })],
    ['iat 31 s ahead (T28)', v2Assertion({ iat: NOW_SECONDS + 31 })],
    ['iat over a day ago (T28)', v2Assertion({ iat: NOW_SECONDS - 24 * HOUR - 31, exp: NOW_SECONDS + 60 })],
    ['no iat', v2Assertion({ iat: undefined })],
    ['no nbf', v2Assertion({ nbf: undefined })],
    ['nbf as a string', v2Assertion({ nbf: '0' })],
    ['a negative nbf', v2Assertion({ nbf: -5 })],
  ]);
  refuses('lifetime', [
    ['over 25 hours (T29)', v2Assertion({ exp: NOW_SECONDS - 300 + 25 * HOUR + 1 })],
    ['over before it began', v2Assertion({ iat: NOW_SECONDS + 20, exp: NOW_SECONDS + 10 })],
  ]);
  it('reads the clock it is given, and no other', async () => {
    expect(await verify(v2Assertion(), new Date(NOW.getTime() + 2 * HOUR * 1000))).toEqual({ reason: 'exp' });
  });
});

describe('the workload', () => {
  refuses('tid', [
    ['of another tenant (T37)', v2Assertion({ tid: OTHER_TENANT })],
    ['in another case (T37)', v2Assertion({ tid: TENANT.toUpperCase() })],
    ['no GUID (T37)', v2Assertion({ tid: 'contoso' })],
    ['none (T37)', v2Assertion({ tid: undefined })],
  ]);
  refuses('oid', [
    ['none (T51)', v2Assertion({ oid: undefined })],
    ['no GUID', v2Assertion({ oid: 'agent' })],
    ['in another case', v2Assertion({ oid: OBJECT.toUpperCase() })],
    ['braces', v2Assertion({ oid: `{${OBJECT}}` })],
  ]);
  refuses('uti', [
    ['none', v2Assertion({ uti: undefined })],
    ['with other characters', v2Assertion({ uti: 'a b' })],
    ['too long', v2Assertion({ uti: 'a'.repeat(65) })],
  ]);
  refuses('sub', [
    ['none', v2Assertion({ sub: undefined })],
    ['empty', v2Assertion({ sub: '' })],
  ]);
  refuses('client', [
    ['both and different (T47)', v2Assertion({ appid: OBJECT })],
    ['both and different in 1.0 (T47)', v1Assertion({ azp: OBJECT })],
    ['the name of version 1.0 in 2.0 (T40)', v2Assertion({ azp: undefined, appid: CLIENT })],
    ['the name of version 2.0 in 1.0 (T40)', v1Assertion({ appid: undefined, azp: CLIENT })],
    ['no GUID', v2Assertion({ azp: 'agent' })],
  ]);
  refuses('credential', [
    ['none', v2Assertion({ azpacr: undefined })],
    ['unknown', v2Assertion({ azpacr: '3' })],
    ['a number', v2Assertion({ azpacr: 1 })],
  ]);
  refuses('not_app', [
    ["a person's token: scp (T45)", v2Assertion({ scp: 'user_impersonation' })],
    ["a person's token: scp, empty (T45)", v2Assertion({ scp: '' })],
    ["a person's token: idtyp (T45)", v2Assertion({ idtyp: 'user' })],
    ['a device (T45)', v2Assertion({ idtyp: 'device' })],
    ['a list', v2Assertion({ idtyp: ['app'] })],
    ['no idtyp (T46)', v2Assertion({ idtyp: undefined })],
  ]);
  refuses('roles', [
    ['a string', v2Assertion({ roles: 'Agent.Exchange' })],
    ['null', v2Assertion({ roles: null })],
    ['a number among them', v2Assertion({ roles: [1] })],
    ['a control character', v2Assertion({ roles: ['a\u0007'] })],
  ]);

  describe('of a registration that does not ask for idtyp (T46)', async () => {
    const lenient = await verifierOf(
      `[{ tenant: ${TENANT}, audiences: [${AUDIENCE}], allow_missing_idtyp: true }]`,
    );
    it('is accepted if its sub is its oid', async () => {
      expect(await lenient.verify(v2Assertion({ idtyp: undefined }))).toHaveProperty('workload');
      expect(await lenient.verify(v2Assertion({ idtyp: 'user' }))).toEqual({ reason: 'not_app' });
    });
    it.each([
      ['a pairwise sub', { sub: 'pairwise' }],
      ['scp', { scp: 'x' }],
      ['upn', { upn: 'someone@contoso.example' }],
      ['name', { name: 'Someone' }],
    ] as [string, Json][])('is refused with %s', async (_what, claims) => {
      expect(await lenient.verify(v2Assertion({ idtyp: undefined, ...claims }))).toEqual({
        reason: 'not_app',
      });
    });
  });

  it('must carry every required app role', async () => {
    const { verify: verifyThere } = await verifierOf(
      `[{ tenant: ${TENANT}, audiences: [${AUDIENCE}], required_roles: [Agent.Exchange, Agent.Prod] }]`,
    );
    expect(await verifyThere(v2Assertion())).toEqual({ reason: 'roles' });
    expect(await verifyThere(v2Assertion({ roles: undefined }))).toEqual({ reason: 'roles' });
    expect(await verifyThere(v2Assertion({ roles: ['Agent.Prod', 'x', 'Agent.Exchange'] }))).toHaveProperty(
      'workload',
    );
  });

  it('is never judged by the claims of version 1.0 with those of 2.0', async () => {
    expect(await verify(signRs256(v2Header(), { ...v1Claims(), iss: V2_ISSUER, aud: AUDIENCE }))).toEqual({
      reason: 'issuer',
    });
  });
});
