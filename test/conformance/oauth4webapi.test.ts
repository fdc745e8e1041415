/** oauth4webapi, strict and without knowledge of Countersign: as an agent, and as an API that verifies tokens. */
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { sql } from 'kysely';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL_APIS } from '../../lab/apis/all-apis.ts';
import { startApi } from '../../lab/apis/start-api.ts';
import type { WebServer } from '../../lab/web-server.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { until } from '../support/fact.ts';

const LOOPBACK = { [oauth.allowInsecureRequests]: true } as const;

let world: TestWorld;
let knowledge: WebServer;
/** The URL of the knowledge API in production. */
let resource: string;

beforeAll(async () => {
  world = await startWorld();
  const [api] = ALL_APIS;
  if (api === undefined) throw new Error('the lab has no API');
  const port = await freePort();
  resource = `http://127.0.0.1:${port}/prod`;
  knowledge = await startApi(api, {
    port,
    issuer: world.issuer,
    environments: [
      {
        environment: 'prod',
        audience: 'api://knowledge.prod',
        resource,
        credential: () => world.assertion('api://knowledge.prod'),
      },
    ],
    onProblem: (problem) => expect.fail(problem),
  });
});
afterAll(async () => {
  await knowledge.close();
  await world.stop();
});

const discover = async (algorithm: 'oauth2' | 'oidc' = 'oauth2'): Promise<oauth.AuthorizationServer> => {
  const issuer = new URL(world.issuer);
  return oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm, ...LOOPBACK }),
  );
};

const exchange = async (
  server: oauth.AuthorizationServer,
  agent: string,
  parameters: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<oauth.TokenEndpointResponse> => {
  const client = { client_id: agent };
  const response = await oauth.genericTokenEndpointRequest(
    server,
    client,
    oauth.None(),
    TOKEN_EXCHANGE,
    { subject_token: await world.assertion(agent), subject_token_type: JWT_TYPE, ...parameters },
    { ...LOOPBACK, headers },
  );
  return oauth.processGenericTokenEndpointResponse(server, client, response);
};

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

const requestWith = (accessToken: string): Request =>
  new Request(`${resource}/articles`, { headers: { authorization: `Bearer ${accessToken}` } });

describe('oauth4webapi as an agent', () => {
  it.each(['oauth2', 'oidc'] as const)('discovers by %s, and exchanges', async (algorithm) => {
    const server = await discover(algorithm);
    expect(server.issuer).toBe(world.issuer);
    expect(await exchange(server, 'support-agent', READ)).toMatchObject({
      token_type: 'bearer',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      scope: 'articles.read',
      expires_in: expect.any(Number),
    });
  });

  it('reads a pending answer as an OAuth error, and gets the token by trying again', async () => {
    const server = await discover();
    const wanted = { audience: 'api://reports.prod', scope: 'payroll.export' };
    const pending = await exchange(server, 'reporting-agent', wanted).catch((error: unknown) => error);
    if (!(pending instanceof oauth.ResponseBodyError)) throw new Error('not pending');
    expect(pending).toMatchObject({ error: 'authorization_pending', status: 400 });
    await world.vote(String(pending.cause.request_id), 'approve');
    expect((await exchange(server, 'reporting-agent', wanted)).scope).toBe('payroll.export');
  });

  it('gets the token from one call that waits for the decision (RFC 7240)', async () => {
    const server = await discover();
    const wanted = { audience: 'api://operations.prod', scope: 'release.deploy' };
    const waiting = exchange(server, 'ops-agent', wanted, { prefer: 'wait=30' });
    const requestId = await until(async () => {
      const { rows } = await sql<{ id: string }>`
        select id from access_requests where agent_id = 'ops-agent' and state = 'pending'`.execute(
        world.database.db,
      );
      return rows[0]?.id;
    });
    await world.vote(requestId, 'approve');
    expect(await waiting).toMatchObject({ scope: 'release.deploy', request_id: requestId });
  });

  it.each([
    ['access_denied', 'ops-agent', { audience: 'api://operations.prod', scope: 'database.delete' }],
    ['invalid_target', 'ops-agent', READ],
    ['invalid_scope', 'support-agent', { ...READ, scope: 'articles.burn' }],
    ['invalid_request', 'support-agent', { ...READ, subject_token: 'x.y.z' }],
  ])('reads %s as an OAuth error', async (error, agent, wanted) => {
    const answer = await exchange(await discover(), agent, wanted).catch((thrown: unknown) => thrown);
    expect(answer).toBeInstanceOf(oauth.ResponseBodyError);
    expect(answer).toMatchObject({ error, status: 400 });
  });

  it('finds broker, audience and action from nothing but the 401 of an API', async () => {
    const refused = await fetch(`${resource}/articles`);
    const named = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '')?.[1];
    const discovery = await oauth.resourceDiscoveryRequest(new URL(resource), LOOPBACK);
    expect(discovery.url).toBe(named);
    const about = await oauth.processResourceDiscoveryResponse(new URL(resource), discovery);
    const issuer = new URL(about.authorization_servers?.[0] ?? '');
    const server = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...LOOPBACK }),
    );
    const { access_token } = await exchange(server, 'support-agent', {
      audience: String(about.audience),
      scope: about.scopes_supported?.[0] ?? '',
    });
    const read = await oauth.protectedResourceRequest(
      access_token,
      'GET',
      new URL(`${resource}/articles`),
      undefined,
      undefined,
      LOOPBACK,
    );
    expect(read.status).toBe(200);
    expect(await read.json()).toHaveProperty('articles');
  });
});

describe('an issued token', () => {
  it('is verified by oauth4webapi as RFC 9068 says, for its own API only', async () => {
    const server = await discover();
    const { access_token } = await exchange(server, 'support-agent', READ);
    const claims = await oauth.validateJwtAccessToken(
      server,
      requestWith(access_token),
      'api://knowledge.prod',
      LOOPBACK,
    );
    expect(claims).toMatchObject({ sub: 'support-agent', client_id: 'support-agent', scope: READ.scope });
    await expect(
      oauth.validateJwtAccessToken(server, requestWith(access_token), 'api://knowledge.dev', LOOPBACK),
    ).rejects.toThrow();
    const [header, , signature] = access_token.split('.');
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'ops-agent' })).toString('base64url');
    await expect(
      oauth.validateJwtAccessToken(
        server,
        requestWith(`${header}.${forged}.${signature}`),
        'api://knowledge.prod',
        LOOPBACK,
      ),
    ).rejects.toThrow();
  });

  it('is verified by jose with the keys that the metadata names', async () => {
    const server = await discover();
    const { access_token } = await exchange(server, 'support-agent', READ);
    const keys = createRemoteJWKSet(new URL(server.jwks_uri ?? ''));
    const expected = { issuer: server.issuer, audience: READ.audience, typ: 'at+jwt', algorithms: ['ES256'] };
    const { payload } = await jwtVerify(access_token, keys, expected);
    expect(payload).toMatchObject({ iss: world.issuer, aud: READ.audience });
    await expect(jwtVerify(access_token, keys, { ...expected, typ: 'JWT' })).rejects.toThrow();
    await expect(
      jwtVerify(access_token, keys, { ...expected, issuer: `${server.issuer}/` }),
    ).rejects.toThrow();
  });
});
