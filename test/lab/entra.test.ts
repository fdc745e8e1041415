import { X509Certificate } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentOf, toolOf, type WorldAgent } from '../../lab/world.ts';
import {
  msalClient,
  postForm,
  serviceAccountToken,
  startTestEntra,
  type TestEntra,
  verify,
} from './entra-fixture.ts';

let lab: TestEntra;
let agent: WorldAgent;

beforeAll(async () => {
  lab = await startTestEntra();
  agent = agentOf(lab.world, 'support-agent');
});
afterAll(() => lab.stop());

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const acquire = async (auth: Omit<Parameters<typeof msalClient>[1], 'clientId'>): Promise<string> => {
  const client = msalClient(lab.entra, { clientId: agent.clientId, ...auth });
  const result = await client.acquireTokenByClientCredential({ scopes: [lab.entra.scope] });
  return result?.accessToken ?? '';
};

describe('msal-node, unmodified', () => {
  it('gets a v2.0 token by secret, with the claims that Entra puts in it and no others', async () => {
    const before = Math.floor(Date.now() / 1000);
    const token = await acquire({ clientSecret: agent.clientSecret });
    const { payload, protectedHeader } = await verify(lab.entra, token);
    expect(protectedHeader).toEqual({ typ: 'JWT', alg: 'RS256', kid: expect.any(String) });
    expect(payload).toEqual({
      aud: lab.world.broker.clientId,
      iss: `${lab.entra.authority}/${lab.world.tenant}/v2.0`,
      iat: payload.nbf,
      nbf: expect.any(Number),
      exp: expect.any(Number),
      aio: expect.any(String),
      azp: agent.clientId,
      azpacr: '1',
      idtyp: 'app',
      oid: agent.objectId,
      rh: expect.any(String),
      sub: agent.objectId,
      tid: lab.world.tenant,
      uti: expect.any(String),
      ver: '2.0',
      xms_ftd: expect.any(String),
    });
    expect(payload.tid).toMatch(GUID);
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3900);
    expect(payload.exp).toBeGreaterThanOrEqual(before + 3600);
  });

  it('gets a token by certificate', async () => {
    const thumbprintSha256 = new X509Certificate(agent.certificate).fingerprint256.replaceAll(':', '');
    const token = await acquire({
      clientCertificate: { thumbprintSha256, privateKey: agent.privateKey, x5c: agent.certificate },
    });
    const { payload } = await verify(lab.entra, token);
    expect(payload).toMatchObject({ azp: agent.clientId, azpacr: '2', oid: agent.objectId });
  });

  it("gets a token by federated assertion from the cluster's service account", async () => {
    const assertion = await serviceAccountToken(lab.entra, agent.id);
    expect(decodeJwt(assertion)).toMatchObject({
      iss: lab.entra.clusterIssuer,
      sub: 'system:serviceaccount:agents:support-agent',
      aud: ['api://AzureADTokenExchange'],
    });
    const { payload } = await verify(lab.entra, await acquire({ clientAssertion: async () => assertion }));
    expect(payload).toMatchObject({ azp: agent.clientId, azpacr: '2', oid: agent.objectId });
  });

  it("shows Entra's own words when the secret is wrong", async () => {
    const wrong = acquire({ clientSecret: 'not the secret' });
    await expect(wrong).rejects.toMatchObject({
      errorCode: 'invalid_client',
      errorMessage: expect.stringContaining('AADSTS7000215'),
    });
  });
});

describe('plain HTTP clients', () => {
  const credentials = () => ({
    grant_type: 'client_credentials',
    client_id: agent.clientId,
    client_secret: agent.clientSecret,
  });

  it('get a v1.0 token from the v1 endpoint, whose aud is the resource as asked', async () => {
    for (const resource of [lab.world.broker.appIdUri, lab.world.broker.clientId]) {
      const answer = await postForm(lab.entra, '/oauth2/token', { ...credentials(), resource });
      const body = (await answer.json()) as { access_token: string; expires_in: string };
      expect(body.expires_in).toBe('3599');
      const { payload, protectedHeader } = await verify(lab.entra, body.access_token, 1);
      expect(protectedHeader.x5t).toBe(protectedHeader.kid);
      expect(payload).toEqual({
        aud: resource,
        iss: `${lab.entra.authority}/${lab.world.tenant}/`,
        iat: payload.nbf,
        nbf: expect.any(Number),
        exp: expect.any(Number),
        aio: expect.any(String),
        appid: agent.clientId,
        appidacr: '1',
        idp: `${lab.entra.authority}/${lab.world.tenant}/`,
        idtyp: 'app',
        oid: agent.objectId,
        rh: expect.any(String),
        sub: agent.objectId,
        tid: lab.world.tenant,
        uti: expect.any(String),
        ver: '1.0',
        xms_ftd: expect.any(String),
      });
    }
  });

  it('may send the secret by HTTP Basic', async () => {
    const basic = Buffer.from(`${agent.clientId}:${encodeURIComponent(agent.clientSecret)}`).toString(
      'base64',
    );
    const answer = await postForm(
      lab.entra,
      '/oauth2/v2.0/token',
      { grant_type: 'client_credentials', scope: lab.entra.scope },
      { Authorization: `Basic ${basic}` },
    );
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toMatchObject({ token_type: 'Bearer', expires_in: 3599 });
  });

  it('see the app roles of a workload that has some', async () => {
    const tool = toolOf(lab.world, 'Operator');
    const answer = await postForm(lab.entra, '/oauth2/v2.0/token', {
      ...credentials(),
      client_id: tool.clientId,
      client_secret: tool.clientSecret,
      scope: `${lab.world.broker.clientId}/.default`,
    });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    expect(decodeJwt(token).roles).toEqual(['Auditor', 'Operator']);
  });

  it('find consistent metadata for both versions, and the instance', async () => {
    const { authority, tenant } = lab.entra;
    const read = async (path: string): Promise<Record<string, unknown>> =>
      (await (await fetch(`${authority}${path}`)).json()) as Record<string, unknown>;
    expect(await read(`/${tenant}/v2.0/.well-known/openid-configuration`)).toMatchObject({
      issuer: `${authority}/${tenant}/v2.0`,
      token_endpoint: `${authority}/${tenant}/oauth2/v2.0/token`,
      authorization_endpoint: `${authority}/${tenant}/oauth2/v2.0/authorize`,
      jwks_uri: `${authority}/${tenant}/discovery/v2.0/keys`,
    });
    expect(await read(`/${tenant}/.well-known/openid-configuration`)).toMatchObject({
      issuer: `${authority}/${tenant}/`,
      token_endpoint: `${authority}/${tenant}/oauth2/token`,
      jwks_uri: `${authority}/${tenant}/discovery/keys`,
    });
    expect(await read('/common/discovery/instance')).toMatchObject({
      metadata: [{ aliases: [new URL(authority).host] }],
    });
    expect(await read('/cluster/.well-known/openid-configuration')).toMatchObject({
      issuer: lab.entra.clusterIssuer,
      jwks_uri: `${lab.entra.clusterIssuer}/openid/v1/jwks`,
    });
  });

  it.each([
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
    ['no proof at all', { client_secret: '' }, 401, 'invalid_client', 7000218],
    [
      'an unknown client',
      { client_id: '00000000-0000-4000-8000-000000000001' },
      400,
      'unauthorized_client',
      700016,
    ],
    ['no client', { client_id: '' }, 400, 'invalid_request', 900144],
    ['no grant type', { grant_type: '' }, 400, 'invalid_request', 900144],
    ['another grant type', { grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
    ['no scope', { scope: '' }, 400, 'invalid_request', 900144],
    ['a scope that is no default', { scope: 'api://countersign/Read' }, 400, 'invalid_scope', 1002012],
    ['an unknown API', { scope: 'api://elsewhere/.default' }, 400, 'invalid_resource', 500011],
  ])('are refused in the way of Entra with %s', async (_case, change, status, error, number) => {
    const form = { ...credentials(), scope: lab.entra.scope, ...change };
    const answer = await postForm(lab.entra, '/oauth2/v2.0/token', form);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({
      error,
      error_description: expect.stringMatching(
        new RegExp(`^AADSTS${number}: .+ Trace ID: .+ Correlation ID: .+ Timestamp: .+Z$`),
      ),
      error_codes: [number],
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/),
      trace_id: expect.stringMatching(GUID),
      correlation_id: expect.stringMatching(GUID),
    });
  });

  it('are told that there is no other tenant', async () => {
    for (const path of ['/common/oauth2/v2.0/token', '/contoso/v2.0/.well-known/openid-configuration']) {
      const answer = await fetch(`${lab.entra.authority}${path}`);
      expect(await answer.json()).toMatchObject({ error: 'invalid_tenant', error_codes: [90002] });
    }
  });

  it('cannot be reached by plain HTTP, and the front page says that it is a lab', async () => {
    await expect(fetch(lab.entra.authority.replace('https:', 'http:'))).rejects.toThrow();
    expect(await (await fetch(lab.entra.authority)).text()).toContain('This is a lab');
  });
});
