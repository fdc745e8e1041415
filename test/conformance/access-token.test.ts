/** What an issued token says (RFC 9068 section 2.2), in full: nothing of it is the agent's to choose. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { applyRegistry } from '../../src/registry/apply.ts';
import { readRegistry } from '../../src/registry/registry-file.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

/** The knowledge API understands one type of details, with a field of an unfortunate name. */
const DETAILS = [{ type: 'article', sub: 'ops-agent' }];

beforeAll(async () => {
  world = await startWorld();
  const written = await readRegistry([world.settings.COUNTERSIGN_REGISTRY ?? '']);
  const resources = written.resources.map((resource) => ({
    ...resource,
    authorization_details: {
      article: {
        description: 'One article',
        fields: { sub: { type: 'string' as const, optional: false, max_length: 200 } },
      },
    },
  }));
  await applyRegistry(world.database, { ...written, resources }, { reason: 'details', appliedBy: 'test' });
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

const ask = async (agent: string, parameters: Readonly<Record<string, string>>) =>
  world.exchange({ subject_token: await world.assertion(agent), ...parameters });

const decode = (part: string | undefined) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString());

/** Header and claims of an answer's token. */
const read = ({ body }: Awaited<ReturnType<typeof ask>>) => {
  const [header, payload] = body.access_token.split('.');
  return { header: decode(header), claims: decode(payload) };
};

describe('an issued token (T76)', () => {
  it('has these claims and no other', async () => {
    const answer = await ask('support-agent', READ);
    const { keys } = (await world.get('/jwks')).body;
    const { header, claims } = read(answer);
    expect(header).toEqual({ typ: 'at+jwt', alg: 'ES256', kid: keys[0].kid });
    expect(claims).toEqual({
      iss: world.issuer,
      sub: 'support-agent',
      client_id: 'support-agent',
      aud: 'api://knowledge.prod',
      scope: 'articles.read',
      iat: expect.any(Number),
      exp: claims.iat + 45,
      jti: expect.stringMatching(/^tok_[A-Za-z0-9_-]{22}$/),
      txn: answer.body.request_id,
      env: 'prod',
    });
    expect(Math.abs(claims.iat - Date.now() / 1000)).toBeLessThan(5);
  });

  it('takes no claim from parameters, and none of the words of the agent', async () => {
    const names = [
      'iss',
      'sub',
      'aud',
      'exp',
      'jti',
      'cnf',
      'act',
      'env',
      'txn',
      'roles',
      'claims',
      'typ',
      'alg',
      'kid',
    ];
    const chosen = Object.fromEntries(names.map((name) => [name, 'canary']));
    const answer = await ask('support-agent', {
      ...READ,
      ...chosen,
      request_id: 'canary',
      justification: 'canary',
    });
    const { header, claims } = read(answer);
    expect(Object.keys(header)).toEqual(['typ', 'alg', 'kid']);
    expect(Object.keys(claims)).toEqual(Object.keys(read(await ask('support-agent', READ)).claims));
    expect(JSON.stringify([header, claims])).not.toContain('canary');
  });

  it('takes no claim from the assertion', async () => {
    const claims = { cnf: { jkt: 'canary' }, scope: 'canary', groups: ['canary'], roles: ['canary'] };
    const subject_token = await world.assertion('support-agent', { claims });
    const answer = await world.exchange({ ...READ, subject_token, request_id: 'claims-of-assertion' });
    expect(JSON.stringify(read(answer).claims)).not.toContain('canary');
  });

  it('keeps authorization details to themselves, whatever their fields are called', async () => {
    const answer = await ask('support-agent', { ...READ, authorization_details: JSON.stringify(DETAILS) });
    const { claims } = read(answer);
    expect(claims).toMatchObject({ sub: 'support-agent', authorization_details: DETAILS });
    expect(answer.body.authorization_details).toEqual(DETAILS);
  });

  it('names agents and nobody else: ids of Entra are in none of it', async () => {
    const { claims } = read(await ask('support-agent', READ));
    const { agents, tenant } = world.entra.world;
    for (const { objectId, clientId } of agents)
      for (const id of [objectId, clientId, tenant]) expect(JSON.stringify(claims)).not.toContain(id);
  });

  it('has an id of its own for each grant, and the same when it is given again', async () => {
    const first = read(await ask('support-agent', { ...READ, request_id: 'one' })).claims;
    const again = read(await ask('support-agent', { ...READ, request_id: 'one' })).claims;
    const other = read(await ask('support-agent', { ...READ, request_id: 'two' })).claims;
    expect(again).toEqual(first);
    expect(other.jti).not.toBe(first.jti);
  });
});

describe('the answer that carries it', () => {
  it('has the members of RFC 8693 section 2.2.1 and may not be stored', async () => {
    const { status, headers, body } = await ask('support-agent', READ);
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual([
      'access_token',
      'issued_token_type',
      'token_type',
      'expires_in',
      'grant_expires_in',
      'scope',
      'request_id',
    ]);
    expect(Number.isInteger(body.expires_in)).toBe(true);
    expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  it('tells a refusal in the members of RFC 6749 section 5.2, and may not be stored either', async () => {
    for (const parameters of [
      { ...READ, audience: 'api://nowhere' },
      { ...READ, grant_type: 'password' },
      { ...READ, subject_token: 'x.y.z' },
    ]) {
      const { status, headers, body } = await ask('support-agent', parameters);
      expect(status).toBe(400);
      expect(body.error).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
      expect(body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
      expect(body).not.toHaveProperty('access_token');
      expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
      expect(headers.get('www-authenticate')).toBeNull();
    }
  });
});
