/** What the doctor says of a token that the broker refuses: which setting in Entra, or of the broker, to change. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { serviceAccountToken } from '../lab/entra-fixture.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { signInV1, trustIn } from '../support/entra-modes.ts';
import { checkPromises } from '../support/promises.ts';
import { adviceOn, examine, examineToken as examineSecret, messages } from './doctor-fixture.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const signed = (claims: Readonly<Record<string, unknown>> = {}, header = {}): Promise<string> =>
  world.assertion('support-agent', { claims, header });

const examineToken = (token: string, settings = world.settings) => examineSecret(settings, token);

const trusting = async (change: object): Promise<Record<string, string>> => {
  const file = join(world.entra.directory, 'doctor-token.yaml');
  await writeFile(file, stringify([trustIn(world.entra, { ...change })]));
  return { ...world.settings, COUNTERSIGN_ENTRA: file };
};

describe('a token that the broker refuses', () => {
  const GRAPH = '00000003-0000-0000-c000-000000000000';
  const OTHER = '6f1b2a3c-0000-4000-8000-00000000a009';

  it.each([
    ['for Graph', { aud: GRAPH }, {}, 'the token is for Microsoft Graph, not for Countersign', '/.default'],
    ['for Graph by URI', { aud: 'https://graph.microsoft.com/' }, {}, 'for Microsoft Graph', '/.default'],
    ['for Azure', { aud: 'https://management.azure.com/' }, {}, 'for Azure Resource Manager', '/.default'],
    [
      'for federation',
      { aud: 'fb60f99c-7a34-4190-8149-302f77469936', xms_ficinfo: 'x' },
      {},
      'this is a federation token',
      'client_assertion',
    ],
    ['for another API', { aud: OTHER }, {}, `its audience is ${OTHER}`, 'list it in audiences'],
    [
      'without idtyp',
      { idtyp: undefined },
      {},
      'the optional claim idtyp is missing',
      'optionalClaims.accessToken',
    ],
    [
      'of a user',
      { scp: 'access', idtyp: 'user' },
      {},
      "this is a user's token (scp is access)",
      'client credentials',
    ],
    [
      "of an agent's user account",
      { scp: 'access', idtyp: 'user', xms_sub_fct: '13 1' },
      {},
      "this is the token of an agent's user account",
      'agent identity itself',
    ],
    ['without scopes', { scp: '/' }, {}, 'scp is there though it names nothing (/)', 'without scp'],
    [
      'without a service principal',
      { oid: undefined },
      {},
      'no service principal in this tenant',
      'az ad sp create',
    ],
    ['an ID token', { azp: undefined, azpacr: undefined }, {}, 'this is an ID token', 'access_token'],
    ['our own', {}, { typ: 'at+jwt' }, 'this is an access token as Countersign issues it', '/token takes'],
    [
      'of another tenant',
      { iss: `https://login.microsoftonline.com/${OTHER}/v2.0` },
      {},
      `its tenant ${OTHER} is not listed`,
      'COUNTERSIGN_ENTRA',
    ],
    [
      'of a personal account',
      { iss: 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0' },
      {},
      'personal Microsoft account',
      'your own tenant',
    ],
    ['of no Entra', { iss: 'https://accounts.example/' }, {}, 'is no tenant of Entra', 'Send the token'],
    [
      'that is over',
      { exp: 1_700_000_000, iat: 1_699_996_400, nbf: 1_699_996_400 },
      {},
      'it expired',
      'fresh',
    ],
  ] as const)('%s is told in the words of Entra', async (_what, claims, header, message, advice) => {
    const examined = await examineToken(await signed(claims, header));
    expect(examined.code).toBe(1);
    expect(messages(examined, 'problem', 'token')).toEqual([
      expect.stringMatching(/^the broker refuses it as [a-z_]+: /),
      expect.stringContaining(message),
    ]);
    expect(adviceOn(examined, message)).toContain(advice);
  });

  it('of version 1.0 is told by the setting of the registration that makes it', async () => {
    const v1 = await signInV1(world.entra, 'support-agent', 'api://countersign');
    const examined = await examineToken(v1, await trusting({ versions: ['2.0'] }));
    expect(messages(examined, 'problem', 'token')[1]).toBe(
      'requestedAccessTokenVersion is null or 1: this is a v1.0 token, and only v2.0 is listed',
    );
    expect(adviceOn(examined, 'requestedAccessTokenVersion')).toContain(
      'api.requestedAccessTokenVersion to 2',
    );
    const unlisted = await trusting({ versions: ['1.0'], audiences: ['api://countersign/'] });
    expect(messages(await examineToken(v1, unlisted), 'problem', 'token')[1]).toContain(
      'its audience api://countersign is not byte for byte what is listed',
    );
    const v2 = await examineToken(await signed(), await trusting({ versions: ['1.0'] }));
    expect(messages(v2, 'problem', 'token')[1]).toContain('requestedAccessTokenVersion is 2');
  });

  it('of another cloud is told by the cloud to set', async () => {
    const { tenant } = world.entra.world;
    const examined = await examineToken(
      await signed({ iss: `https://login.microsoftonline.us/${tenant}/v2.0` }),
    );
    expect(adviceOn(examined, 'the tenant is trusted as')).toContain('of the cloud "usgov"');
  });

  it('whose signature cannot be good for us, since its header has a nonce, is told by that', async () => {
    const [, payload, signature] = (await signed()).split('.');
    const [header] = (await signed({}, { nonce: 'x' })).split('.');
    const examined = await examineToken(`${header}.${payload}.${signature}`);
    expect(messages(examined, 'problem', 'token')[1]).toContain("Microsoft's own services get such tokens");
  });

  it('without a required role is told by the role', async () => {
    const examined = await examineToken(await signed(), await trusting({ required_roles: ['Agent'] }));
    expect(messages(examined, 'problem', 'token')[1]).toContain('the app role Agent is missing from roles');
  });

  it('of a Kubernetes service account is told to go to Entra first', async () => {
    const examined = await examineToken(await serviceAccountToken(world.entra.entra, 'support-agent'));
    expect(messages(examined, 'problem', 'token')[1]).toContain('the token of a Kubernetes service account');
  });

  it.each(['', 'opaque', 'a.b.c', '\u001b[31m.x.y'])('is no token at all: "%s"', async (pasted) => {
    const examining = examine(world.settings, pasted);
    if (pasted === '') return expect(examining).rejects.toThrow('there is nothing to read');
    const examined = await examining;
    expect(messages(examined, 'problem', 'token')[0]).toMatch(/refuses it as (format|encoding|size)/);
    return expect(examined.written).not.toContain('\u001b');
  });

  it('shows claims without what would command a terminal', async () => {
    const examined = await examineToken(await signed({ aud: 'api://\u009b31m\u202ex', iss: undefined }));
    expect(examined.written).not.toMatch(/[\u0080-\u009f\u202e]/);
  });

  it('is not believed when altered, whatever its claims say', async () => {
    const [header, , signature] = (await signed()).split('.');
    const [, payload] = (await signed({ roles: ['Agent'] })).split('.');
    const examined = await examineToken(`${header}.${payload}.${signature}`);
    expect(messages(examined, 'problem', 'token')[0]).toContain('refuses it as signature');
  });
});
