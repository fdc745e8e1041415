import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { expectRefusal, type Parameters, READ } from './expect-refusal.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';

const ask = async (agent: string, parameters: Parameters) =>
  world.exchange({ subject_token: await world.assertion(agent), ...parameters });

describe('an exchange without a subject token (T66)', () => {
  it.each<[string, Parameters]>([
    ['is refused', { subject_token: undefined }],
    ['is refused where it is empty', { subject_token: '' }],
    [
      'never becomes the grant of a client that authenticates',
      { subject_token: '', client_id: 'support-agent', client_secret: '' },
    ],
    [
      'never becomes the grant of an actor',
      { subject_token: undefined, actor_token: 'x.y.z', actor_token_type: `${TOKEN_TYPE}jwt` },
    ],
    [
      'never becomes the grant of a code',
      { subject_token: '', code: 'x', redirect_uri: 'https://x.example' },
    ],
    ['never becomes the grant of a refresh token', { subject_token: '', refresh_token: 'x' }],
    ['never becomes the grant of an assertion', { subject_token: '', assertion: 'x.y.z' }],
  ])('%s', async (_what, parameters) => {
    await expectRefusal(world, parameters, 'invalid_request');
  });

  it.each(['client_credentials', 'refresh_token', 'authorization_code', 'password'])(
    'has no other grant beside it: %s',
    async (grant_type) => {
      await expectRefusal(world, { grant_type }, 'unsupported_grant_type');
    },
  );
});

describe('the types of tokens (T67, T71)', () => {
  it.each([
    '',
    'jwt',
    `${TOKEN_TYPE}JWT`,
    `${TOKEN_TYPE}saml1`,
    `${TOKEN_TYPE}saml2`,
    `${TOKEN_TYPE}id_token`,
  ])('refuse "%s" as that of the subject token', async (subject_token_type) => {
    await expectRefusal(world, { subject_token_type }, 'invalid_request');
  });

  it.each(['refresh_token', 'id_token', 'saml2', 'n_a', 'JWT'])(
    'refuse %s as that of the token to be issued',
    async (type) => {
      await expectRefusal(world, { requested_token_type: `${TOKEN_TYPE}${type}` }, 'invalid_request');
    },
  );

  it('never come with a refresh token, whatever is asked for', async () => {
    for (const requested_token_type of [undefined, '', `${TOKEN_TYPE}access_token`, `${TOKEN_TYPE}jwt`]) {
      const { status, body } = await ask('support-agent', { ...READ, requested_token_type });
      expect(status).toBe(200);
      expect(Object.keys(body)).not.toContain('refresh_token');
    }
  });
});

describe('the target (T68)', () => {
  it.each([
    'api://nowhere.prod',
    'api://knowledge.prod/',
    'api://knowledge.prod/x',
    'api://KNOWLEDGE.prod',
    'API://knowledge.prod',
    ' api://knowledge.prod',
    'api:/knowledge.prod',
    'api:///knowledge.prod',
    'api://knowledge.prod//',
    'api://x/../knowledge.prod',
    'api://user@knowledge.prod',
    'api://knowledge.prod#x',
    'api://knowledge.prod?x',
    'api://knowledge%2eprod',
    'api://knowledge.prod.evil.example',
    'api://knowledge.',
    'knowledge.prod',
    '*',
    '/',
  ])('is one API by every byte: "%s" is none, as audience or as resource', async (target) => {
    await expectRefusal(world, { audience: target }, 'invalid_target');
    await expectRefusal(world, { audience: undefined, resource: target }, 'invalid_target');
  });

  it('is named by audience and resource at once only where both name the same', async () => {
    await expectRefusal(world, { resource: 'api://knowledge.dev' }, 'invalid_target');
    expect((await ask('support-agent', { ...READ, resource: READ.audience })).status).toBe(200);
  });

  it('must be there', async () => {
    await expectRefusal(world, { audience: undefined }, 'invalid_request');
  });
});

describe('the scope (T69)', () => {
  it.each([
    ['an unknown action', 'articles.burn'],
    ['an action of another API', 'reports.read'],
    ['a known and an unknown action', 'articles.read articles.burn'],
    ['another case', 'Articles.Read'],
    ['a wildcard', '*'],
    ['a tab between', 'articles.read\tarticles.read'],
    ['a line end', 'articles.read\n'],
    ['a quote', 'articles.read"'],
    ['a backslash', 'articles\\read'],
    ['a letter beyond ASCII', 'articles.r\u0435ad'],
    ['DEL', 'articles.read\u007f'],
    [
      'ten thousand actions',
      Array.from({ length: 10_000 }, (_, index) => `a${index}`)
        .join(' ')
        .slice(0, 50_000),
    ],
  ])('is refused: %s', async (_what, scope) => {
    await expectRefusal(world, { scope }, 'invalid_scope');
  });

  it('is the default of the API when it is absent, empty or blank, and is always told', async () => {
    for (const scope of [undefined, '', ' ', '  '])
      expect((await ask('support-agent', { ...READ, scope })).body).toMatchObject({ scope: 'articles.read' });
  });

  it('is refused when absent where the API has no default', async () => {
    const { body } = await ask('ops-agent', { audience: 'api://operations.dev' });
    expect(body.error).toBe('invalid_scope');
  });

  it('grants an action once, however often and in whatever order it is asked for', async () => {
    const audience = 'api://knowledge.dev';
    const first = await ask('support-agent', { audience, scope: 'articles.write articles.read' });
    const again = await ask('support-agent', {
      audience,
      scope: 'articles.read  articles.write articles.read ',
    });
    expect(first.body.scope).toBe('articles.read articles.write');
    expect(again.body).toMatchObject({ scope: first.body.scope, request_id: first.body.request_id });
  });
});

it('needs the grant type of token exchange in full', async () => {
  for (const grant_type of ['token-exchange', TOKEN_EXCHANGE.toUpperCase(), `${TOKEN_EXCHANGE} `])
    await expectRefusal(world, { grant_type }, 'unsupported_grant_type');
});
