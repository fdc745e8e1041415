/** RFC 8414 and OpenID discovery: exactly what is served, nothing else, and always under the one configured name. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const DOCUMENTS = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

describe.each(DOCUMENTS)('%s', (path) => {
  it('holds these facts and no other', async () => {
    const { issuer } = world;
    const { status, headers, body } = await world.get(path);
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body).toEqual({
      issuer,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      grant_types_supported: [TOKEN_EXCHANGE],
      response_types_supported: ['none'],
      token_endpoint_auth_methods_supported: ['none'],
      introspection_endpoint: `${issuer}/introspect`,
      introspection_endpoint_auth_methods_supported: ['Bearer'],
      revocation_endpoint: `${issuer}/revoke`,
      revocation_endpoint_auth_methods_supported: ['none'],
      dpop_signing_alg_values_supported: ['ES256', 'Ed25519', 'EdDSA', 'RS256'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      request_uri_parameter_supported: false,
    });
  });

  it('has the issuer byte for byte as configured, without a slash at the end, as tokens have it', async () => {
    const { body } = await world.get(path);
    expect(body.issuer).toBe(world.settings.COUNTERSIGN_URL);
    expect(body.issuer).not.toMatch(/\/$/);
    const subject_token = await world.assertion('support-agent');
    const answer = await world.exchange({ ...READ, subject_token });
    const [, payload = ''] = answer.body.access_token.split('.');
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString()).iss).toBe(body.issuer);
  });

  it('says nothing by an empty list or null (RFC 8414 section 3.2)', async () => {
    const { body } = await world.get(path);
    for (const value of Object.values(body)) {
      expect(value).not.toBeNull();
      expect(value).not.toEqual([]);
    }
  });

  it('is the same whatever the request says', async () => {
    const { body } = await world.get(path);
    for (const headers of [
      { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
      { forwarded: 'host=evil.example;proto=https' },
      { accept: 'text/html' },
      { origin: 'https://evil.example' },
    ])
      expect((await world.get(path, headers)).body).toEqual(body);
    expect((await world.get(`${path}?issuer=https://evil.example`)).body).toEqual(body);
    expect((await world.get(path, { host: 'evil.example' })).status).toBe(421);
  });

  it('may be kept for five minutes, and is told unchanged by its tag', async () => {
    const { headers } = await world.get(path);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    const again = await world.get(path, { 'if-none-match': headers.get('etag') ?? '' });
    expect([again.status, again.body]).toEqual([304, '']);
  });
});

describe('what the metadata names', () => {
  it('is served: each address answers as what it is', async () => {
    const { body } = await world.get('/.well-known/oauth-authorization-server');
    const { pathname } = new URL(body.jwks_uri);
    const keys = await world.get(pathname);
    expect([keys.status, keys.headers.get('content-type')]).toEqual([200, 'application/jwk-set+json']);
    for (const key of keys.body.keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    }
    for (const [endpoint, error] of [
      [body.token_endpoint, 'invalid_request'],
      [body.revocation_endpoint, 'invalid_request'],
      [body.introspection_endpoint, 'invalid_token'],
    ])
      expect((await world.post(new URL(endpoint).pathname, '')).body.error).toBe(error);
  });

  it.each(['client_credentials', 'authorization_code', 'refresh_token', 'password', 'implicit'])(
    'leaves out the grant %s, and it is not served',
    async (grant_type) => {
      const subject_token = await world.assertion('support-agent');
      const { status, body } = await world.exchange({ ...READ, subject_token, grant_type });
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'unsupported_grant_type' });
    },
  );

  it('leaves out every way to authenticate a client, and none is served', async () => {
    const subject_token = await world.assertion('support-agent');
    const bearer = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' };
    for (const parameters of [
      { client_id: 'support-agent', client_secret: 'secret' },
      { ...bearer, client_assertion: await world.assertion('support-agent') },
    ]) {
      const { status, body } = await world.exchange({ ...READ, subject_token, ...parameters });
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_client' });
    }
  });

  it.each([
    '/authorize',
    '/auth',
    '/token/introspection',
    '/token/revocation',
    '/userinfo',
    '/me',
    '/register',
    '/reg',
    '/par',
    '/request',
    '/device_authorization',
    '/device/auth',
    '/ciba',
    '/backchannel',
    '/challenge',
    '/session/end',
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-authorization-server/x',
  ])('leaves out %s, and it is not served', async (path) => {
    expect((await world.get(path)).status).toBe(404);
    const form = new URLSearchParams({
      token: 'x',
      grant_type: TOKEN_EXCHANGE,
      subject_token_type: JWT_TYPE,
    });
    expect([404, 405]).toContain((await world.post(path, `${form}`)).status);
  });
});
