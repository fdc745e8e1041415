import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  AUDIENCE,
  CLIENT,
  currentKey,
  foreignKey,
  HOUR,
  type Json,
  NOW_SECONDS,
  OBJECT,
  OTHER_TENANT,
  refuser,
  signRs256,
  TENANT,
  TENANTS,
  V1_ISSUER,
  V2_ISSUER,
  v1Assertion,
  v2Assertion,
  v2Claims,
  v2Header,
  verifierOf,
} from './assertions.ts';

const { verify, sought } = await verifierOf();
const refuses = refuser(verify);
const base64url = (text: string | Buffer): string => Buffer.from(text).toString('base64url');
const [headerPart = '', payloadPart = '', signaturePart = ''] = v2Assertion().split('.');

describe('a good assertion', () => {
  it('of version 2.0 names its workload', async () => {
    const assertion = v2Assertion();
    expect(await verify(assertion)).toEqual({
      workload: {
        tenantId: TENANT,
        objectId: OBJECT,
        applicationId: CLIENT,
        assertionId: 'tWc3xMTa_U-NLrOSTmAaAA',
        credential: 'secret',
        version: '2.0',
        strictReplay: false,
        roles: ['Agent.Exchange'],
        issuedAt: NOW_SECONDS - 300,
        expiresAt: NOW_SECONDS + HOUR,
        parentApplicationId: null,
        facets: null,
        actorClaims: [],
        digest: createHash('sha256').update(assertion).digest('hex'),
      },
    });
  });

  it('of version 1.0 names the same workload (T40)', async () => {
    expect(await verify(v1Assertion())).toMatchObject({
      workload: { objectId: OBJECT, applicationId: CLIENT, credential: 'secret', version: '1.0' },
    });
    expect(await verify(v1Assertion({ aud: AUDIENCE }))).toMatchObject({ workload: { version: '1.0' } });
  });

  it.each([
    ['0', 'none'],
    ['2', 'certificate'],
  ])('tells how the workload proved itself: azpacr %s is %s', async (azpacr, credential) => {
    expect(await verify(v2Assertion({ azpacr }))).toMatchObject({ workload: { credential } });
  });

  it('may carry no roles', async () => {
    expect(await verify(v2Assertion({ roles: undefined }))).toMatchObject({ workload: { roles: [] } });
  });

  it.each([
    ['exp 29 s ago (T27)', { exp: NOW_SECONDS - 29 }],
    ['nbf 29 s ahead (T28)', { nbf: NOW_SECONDS + 29 }],
    ['iat 29 s ahead (T28)', { iat: NOW_SECONDS + 29 }],
    ['iat nearly a day ago (T28)', { iat: NOW_SECONDS - 24 * HOUR, exp: NOW_SECONDS + HOUR }],
  ] as [string, Json][])('is believed within the clocks tolerance: %s', async (_what, claims) => {
    expect(await verify(v2Assertion(claims))).toHaveProperty('workload');
  });

  it('records Agent ID facets as labels only, whatever they say (T53)', async () => {
    const parent = '6f1b2a3c-0000-4000-8000-00000000d001';
    const facets = { xms_act_fct: '9 3', xms_sub_fct: ['x'], xms_par_app_azp: parent };
    expect(await verify(v2Assertion(facets))).toMatchObject({
      workload: { parentApplicationId: parent, facets: { actor: [3, 9], subject: [] } },
    });
    expect(await verify(v2Assertion({ xms_par_app_azp: '<b>' }))).toMatchObject({
      workload: { parentApplicationId: null },
    });
  });

  it('takes nothing over but known claims, `__proto__` and nested actors neither (T72, M7)', async () => {
    const payload = JSON.stringify(v2Claims()).replace(
      '{',
      '{"__proto__":{"idtyp":"app"},"act":{"sub":"x"},',
    );
    const verified = await verify(signRs256(v2Header(), payload));
    expect(Object.keys('workload' in verified ? verified.workload : {}).sort()).toEqual([
      'actorClaims',
      'applicationId',
      'assertionId',
      'credential',
      'digest',
      'expiresAt',
      'facets',
      'issuedAt',
      'objectId',
      'parentApplicationId',
      'roles',
      'strictReplay',
      'tenantId',
      'version',
    ]);
    const polluted = JSON.stringify({ ...v2Claims(), idtyp: undefined }).replace(
      '{',
      '{"__proto__":{"idtyp":"app"},',
    );
    expect(await verify(signRs256(v2Header(), polluted))).toEqual({ reason: 'not_app' });
  });
});

describe('a polluted prototype', () => {
  it('adds no claim that was not signed', async () => {
    Object.defineProperty(Object.prototype, 'idtyp', { value: 'app', configurable: true });
    try {
      expect(await verify(v2Assertion({ idtyp: undefined }))).toEqual({ reason: 'not_app' });
    } finally {
      Reflect.deleteProperty(Object.prototype, 'idtyp');
    }
  });
});

describe('the signature', () => {
  refuses('signature', [
    ['of another key under a known name', signRs256(v2Header(), v2Claims(), foreignKey)],
    ['none', `${headerPart}.${payloadPart}.`],
    [
      'of another payload',
      `${headerPart}.${base64url(JSON.stringify({ ...v2Claims(), roles: ['Admin'] }))}.${signaturePart}`,
    ],
  ]);

  it('accepts none of 10,000 single flipped bits (T25)', async () => {
    const bytes = [headerPart, payloadPart, signaturePart].map((part) => Buffer.from(part, 'base64url'));
    const accepted: string[] = [];
    for (let round = 0; round < 10_000; round += 1) {
      const [choice = 0, high = 0, low = 0, bit = 0] = randomBytes(4);
      const flipped = bytes.map((part) => Buffer.from(part));
      const part = flipped[choice % 3];
      if (part) {
        const index = (high * 256 + low) % part.length;
        part.writeUInt8(part.readUInt8(index) ^ (1 << (bit % 8)), index);
      }
      const assertion = flipped.map((piece) => piece.toString('base64url')).join('.');
      if ('workload' in (await verify(assertion))) accepted.push(assertion);
    }
    expect(accepted).toEqual([]);
  });
});

describe('the issuer', () => {
  const v2 = (authority: string): string => `${authority}/${TENANT}/v2.0`;
  it.each([
    ['another tenant (T38)', V2_ISSUER.replace(TENANT, OTHER_TENANT)],
    ['common (T38)', V2_ISSUER.replace(TENANT, 'common')],
    ['personal accounts (T38)', V2_ISSUER.replace(TENANT, '9188040d-6c67-4c5b-b112-36a304b66dad')],
    ['a trailing slash (T39)', `${V2_ISSUER}/`],
    ['without the slash at its end (T39)', V1_ISSUER.slice(0, -1)],
    ['http (T39)', V2_ISSUER.replace('https', 'http')],
    ['another case (T39)', V2_ISSUER.replace('login', 'LOGIN')],
    ['the tenant in another case (T39)', V2_ISSUER.toUpperCase()],
    ['a sovereign cloud (T39)', v2('https://login.microsoftonline.us')],
    ['a homograph (T39)', v2('https://login.microsoftоnline.com')],
    ['a suffix', v2('https://login.microsoftonline.com.example')],
    ['user info', v2('https://login.microsoftonline.com@127.0.0.1')],
    ['the metadata address (T55)', 'http://169.254.169.254'],
    ['loopback (T55)', 'https://127.0.0.1'],
    ['a private address (T55)', 'https://[::ffff:10.0.0.1]'],
    ['a file (T55)', 'file:///etc/passwd'],
    ['a list (M7)', [V2_ISSUER]],
    ['an object (M7)', { toString: V2_ISSUER }],
    ['a number', 1],
    ['none', undefined],
  ])('refuses an issuer that is not exactly a trusted one, looking for no key: %s', async (_what, iss) => {
    sought.length = 0;
    expect(await verify(v2Assertion({ iss }))).toEqual({ reason: 'issuer' });
    expect(sought).toEqual([]);
  });
  refuses('issuer', [
    ['version 1.0 from the issuer of 2.0 (T39)', v2Assertion({ ver: '1.0' })],
    ['version 2.0 from the issuer of 1.0 (T39)', v1Assertion({ ver: '2.0' })],
    ['no version', v2Assertion({ ver: undefined })],
  ]);
  it('refuses version 1.0 where only 2.0 is configured (T40)', async () => {
    const v2Only = await verifierOf(`[{ tenant: ${TENANT}, audiences: [${AUDIENCE}] }]`);
    expect(await v2Only.verify(v1Assertion({ aud: AUDIENCE }))).toEqual({ reason: 'issuer' });
    expect(await v2Only.verify(v2Assertion())).toHaveProperty('workload');
  });
  it('refuses a key that is published for another issuer, though it signs well (T41)', async () => {
    const personal = 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0';
    const foreign = { ...currentKey.jwk, issuer: personal };
    const { verify: verifyThere } = await verifierOf(TENANTS, [foreign, { ...foreignKey.jwk, kid: 'other' }]);
    expect(await verifyThere(v2Assertion())).toEqual({ reason: 'key_issuer' });
  });
  it('finds keys by issuer and name together (T56)', async () => {
    sought.length = 0;
    await verify(v2Assertion());
    await verify(v1Assertion());
    expect(sought).toEqual([`${V2_ISSUER} current-key`, `${V1_ISSUER} current-key`]);
  });
});

describe('the audience', () => {
  const GRAPH = '00000003-0000-0000-c000-000000000000';
  refuses('aud', [
    ['none (T43)', v2Assertion({ aud: undefined })],
    ['of another application (T43)', v2Assertion({ aud: CLIENT })],
    ['a list with ours (T43)', v2Assertion({ aud: [AUDIENCE, CLIENT] })],
    ['a list of ours alone (T43)', v2Assertion({ aud: [AUDIENCE] })],
    ['a nested list (T43)', v2Assertion({ aud: [[AUDIENCE]] })],
    ['ours and more (T43)', v2Assertion({ aud: `${AUDIENCE}/x` })],
    ['ours in upper case (T43)', v2Assertion({ aud: AUDIENCE.toUpperCase() })],
    ['an App ID URI in version 2.0 (T40)', v2Assertion({ aud: 'api://countersign' })],
    ['an App ID URI in another case (T43)', v1Assertion({ aud: 'api://Countersign' })],
    ['the workload identity exchange itself', v2Assertion({ aud: 'api://AzureADTokenExchange' })],
  ]);
  it('refuses a token for Microsoft Graph by its audience, looking for no key (T42)', async () => {
    sought.length = 0;
    expect(await verify(v2Assertion({ aud: GRAPH }, { nonce: 'n' }))).toEqual({ reason: 'aud' });
    expect(sought).toEqual([]);
  });
});
