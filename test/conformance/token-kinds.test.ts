/** Tokens of one kind are never taken for another (RFC 8725 section 3.12), nor from where tokens must not be. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVerifier, protect } from '../../src/resource-server/index.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;
let server: Server;
/** An action of the knowledge API. */
let action: string;

beforeAll(async () => {
  world = await startWorld();
  const verifier = createVerifier({ issuer: world.issuer, audience: 'api://knowledge.prod' });
  const read = protect({ verifier, scope: 'articles.read' });
  server = createServer((request, response) => read(request, response, () => response.end('let through')));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  action = `http://127.0.0.1:${(server.address() as AddressInfo).port}/articles`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await world.stop();
});

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };
const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';

const accessToken = async (): Promise<string> => {
  const answer = await world.exchange({ subject_token: await world.assertion('support-agent'), ...READ });
  return answer.body.access_token;
};

describe('an access token of ours', () => {
  it.each(['jwt', 'access_token'])('is no subject token, called %s or not', async (type) => {
    const { status, body } = await world.exchange({
      ...READ,
      subject_token: await accessToken(),
      subject_token_type: `${TOKEN_TYPE}${type}`,
    });
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
  });

  it('is no credential of an API at the broker', async () => {
    const headers = {
      authorization: `Bearer ${await accessToken()}`,
      'content-type': 'application/json',
    };
    const { status, body } = await world.post('/token-use', '[]', headers);
    expect({ status, error: body.error }).toEqual({ status: 401, error: 'invalid_token' });
  });

  it('opens no page of the console', async () => {
    const { status } = await world.get('/audit', {
      accept: 'application/json',
      authorization: `Bearer ${await accessToken()}`,
    });
    expect(status).toBe(401);
  });

  it('is taken from the Authorization header alone, never from address, body or cookie', async () => {
    const token = await accessToken();
    const form = new URLSearchParams({ access_token: token });
    const bearer = { authorization: `Bearer ${token}` };
    expect(await (await fetch(action, { headers: bearer })).text()).toBe('let through');
    for (const [address, init] of [
      [`${action}?${form}`, {}],
      [action, { method: 'POST', body: form }],
      [action, { headers: { cookie: `access_token=${token}` } }],
    ] as const)
      expect((await fetch(address, init)).status).toBe(401);
  });
});

describe('an assertion of Entra', () => {
  it('is no access token at an API', async () => {
    const assertion = await world.assertion('support-agent', {
      claims: { aud: 'api://knowledge.prod', scope: 'articles.read', client_id: 'support-agent' },
      header: { typ: 'at+jwt' },
    });
    const { status } = await fetch(action, { headers: { authorization: `Bearer ${assertion}` } });
    expect(status).toBe(401);
  });

  it('of an agent is no credential of an API at the broker', async () => {
    const headers = {
      authorization: `Bearer ${await world.assertion('support-agent')}`,
      'content-type': 'application/json',
    };
    const { status, body } = await world.post('/token-use', '[]', headers);
    expect({ status, error: body.error }).toEqual({ status: 403, error: 'insufficient_scope' });
  });
});

it('an exchange is a POST: the same in an address is refused and not carried out', async () => {
  const query = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: `${TOKEN_TYPE}jwt`,
    subject_token: await world.assertion('support-agent'),
    ...READ,
  });
  const { status, headers, body } = await world.get(`/token?${query}`);
  expect([status, headers.get('allow'), headers.get('cache-control')]).toEqual([405, 'POST', 'no-store']);
  expect(body).not.toHaveProperty('access_token');
});
