import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oauth from 'oauth4webapi';
import { afterEach, describe, expect, it } from 'vitest';
import { createVerifier, describeResource, protect } from '../../src/resource-server/index.ts';
import { NOTHING_REVOKED } from './local-feed.ts';

let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const ISSUER = 'https://broker.example';

/** An API under `path` of a server of its own, as README tells an owner to build it. */
const startApi = async (path: string): Promise<string> => {
  const started = createServer();
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  const resource = `http://127.0.0.1:${(started.address() as AddressInfo).port}${path}`;
  const audience = 'api://knowledge.prod';
  const metadata = describeResource({
    resource,
    issuer: ISSUER,
    audience,
    scopes: ['articles.read'],
    name: 'Knowledge base',
  });
  const verifier = createVerifier({
    issuer: ISSUER,
    audience,
    resourceMetadata: metadata.url,
    revocations: NOTHING_REVOKED,
  });
  const read = protect({ verifier, scope: 'articles.read' });
  started.on('request', (request, response) => {
    if (!metadata.serve(request, response)) read(request, response, () => response.end('let through'));
  });
  return resource;
};

describe.each([
  ['', '/.well-known/oauth-protected-resource'],
  ['/prod', '/.well-known/oauth-protected-resource/prod'],
])('the metadata of an API under "%s" of its host', (path, wellKnown) => {
  it('is where a client looks for it, and tells whose tokens are taken and for what', async () => {
    const resource = await startApi(path);
    const response = await oauth.resourceDiscoveryRequest(new URL(resource), {
      [oauth.allowInsecureRequests]: true,
    });
    expect(response.url).toBe(`${new URL(resource).origin}${wellKnown}`);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'public, max-age=300',
    });
    // A client compares URLs; the document holds the very bytes that the owner configured.
    const raw = await response.clone().json();
    expect(raw).toEqual({
      resource,
      audience: 'api://knowledge.prod',
      authorization_servers: [ISSUER],
      scopes_supported: ['articles.read'],
      bearer_methods_supported: ['header'],
      resource_name: 'Knowledge base',
    });
    await oauth.processResourceDiscoveryResponse(new URL(resource), response);
  });

  it('is named by every challenge', async () => {
    const resource = await startApi(path);
    const { origin } = new URL(resource);
    for (const headers of [{}, { authorization: 'Bearer x.y.z' }, { authorization: 'Bearer' }]) {
      const { headers: answered } = await fetch(`${resource}/articles`, { headers });
      expect(answered.get('www-authenticate')).toContain(`resource_metadata="${origin}${wellKnown}"`);
    }
  });

  it('is read only, and leaves every other address to the API', async () => {
    const resource = await startApi(path);
    const { origin } = new URL(resource);
    const posted = await fetch(`${origin}${wellKnown}`, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const head = await fetch(`${origin}${wellKnown}`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await fetch(`${origin}${wellKnown}?cache=1`)).status).toBe(200);
    for (const other of ['x', '/x', '/../x', '%2f'])
      expect((await fetch(`${origin}${wellKnown}${other}`)).status).toBe(401);
  });
});

it('needs no second name where the API is registered under its URL', () => {
  const resource = 'https://knowledge.example/v1';
  const { url, document } = describeResource({ resource, issuer: ISSUER, audience: resource, scopes: [] });
  expect(url).toBe('https://knowledge.example/.well-known/oauth-protected-resource/v1');
  expect(document).not.toHaveProperty('audience');
});

it('names the algorithms of proofs where the API takes them', () => {
  const resource = 'https://knowledge.example';
  const { document } = describeResource({
    ...{ resource, issuer: ISSUER, audience: resource, scopes: [] },
    acceptsProofs: true,
  });
  expect(document.dpop_signing_alg_values_supported).toContain('ES256');
});

it.each([
  'api://knowledge.prod',
  'knowledge.example',
  'http://knowledge.example',
  'https://knowledge.example/',
  'https://knowledge.example/v1/',
  'https://Knowledge.example',
  'https://knowledge.example/a/../b',
  'https://knowledge.example?x',
  'https://knowledge.example#x',
  'https://user@knowledge.example',
  'ftp://localhost/x',
])('is not made for %s, which is no address to find it under', (resource) => {
  expect(() =>
    describeResource({ resource, issuer: ISSUER, audience: 'api://knowledge.prod', scopes: [] }),
  ).toThrow('resource must be the https URL of the API');
});
