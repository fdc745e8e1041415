import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const ask = async (agent: string, parameters: Record<string, string | undefined>) =>
  world.exchange({ subject_token: await world.assertion(agent), ...parameters });

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

describe('what is refused before policy', () => {
  it.each([
    ['an unknown API', { audience: 'api://nowhere' }, 'invalid_target'],
    ['an API of another agent', { audience: 'api://reports.prod' }, 'invalid_target'],
    ['an unknown scope', { scope: 'articles.burn' }, 'invalid_scope'],
    ['two APIs', { resource: 'api://knowledge.dev' }, 'invalid_target'],
    [
      'details of an unknown type',
      { authorization_details: '[{"type":"x"}]' },
      'invalid_authorization_details',
    ],
    ['a client id of another agent', { client_id: 'ops-agent' }, 'invalid_request'],
    ['a malformed broker id', { request_id: 'areq_x' }, 'invalid_request'],
    ['no subject token', { subject_token: undefined }, 'invalid_request'],
    ['another grant type', { grant_type: 'client_credentials' }, 'unsupported_grant_type'],
    ['no grant type', { grant_type: undefined }, 'invalid_request'],
    ['a secret in the form', { client_secret: 'x' }, 'invalid_client'],
  ])('%s', async (_what, changes, error) => {
    const { status, headers, body } = await ask('support-agent', { ...READ, ...changes });
    expect({ status, error: body.error }).toEqual({ status: 400, error });
    expect(body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
    expect(headers.get('www-authenticate')).toBeNull();
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('a secret by HTTP Basic, with 401 and a challenge; an empty one is fine', async () => {
    const send = async (credentials: string) =>
      world.exchange(
        { ...READ, subject_token: await world.assertion('support-agent') },
        { headers: { authorization: `Basic ${btoa(credentials)}` } },
      );
    const refused = await send('support-agent:secret');
    expect({ status: refused.status, error: refused.body.error }).toEqual({
      status: 401,
      error: 'invalid_client',
    });
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /);
    expect((await send('support-agent:')).status).toBe(200);
  });

  it('the id of another agent, exactly as a malformed one', async () => {
    const { request_id } = (await ask('support-agent', READ)).body;
    const foreign = await ask('ops-agent', {
      audience: 'api://operations.dev',
      scope: 'release.deploy',
      request_id,
    });
    const malformed = await ask('ops-agent', {
      audience: 'api://operations.dev',
      scope: 'release.deploy',
      request_id: 'areq_x',
    });
    expect(foreign).toMatchObject({ status: 400, body: malformed.body });
  });

  const rowOf = async (requestId: string) =>
    (await sql`select * from access_requests where id = ${requestId}`.execute(world.database.db)).rows;
  const WRITE = { audience: 'api://knowledge.prod', scope: 'articles.write' };

  it.each([
    ['another API', { audience: 'api://knowledge.dev' }],
    ['another action', { scope: 'articles.read' }],
    ['more actions', { scope: 'articles.read articles.write' }],
  ])('an own key with %s, and nothing of the first request changes (T80)', async (what, changes) => {
    const request_id = what.replace(' ', '-');
    const opened = await ask('support-agent', { ...WRITE, request_id });
    const first = opened.body.request_id;
    const before = await rowOf(first);
    const { status, body } = await ask('support-agent', { ...WRITE, request_id, ...changes });
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', request_id: expect.stringMatching(/^areq_/) },
    });
    expect(body.request_id).not.toBe(first);
    expect((await world.trace(body.request_id)).at(-1)).toBe('request.refused');
    expect(await rowOf(first)).toEqual(before);
    expect((await ask('support-agent', { ...WRITE, request_id })).body.request_id).toBe(first);
  });

  it('no own key in other words, or for another time: the first ones stand (T80)', async () => {
    const first = { ...WRITE, request_id: 'worded', justification: 'one typo', requested_expires_in: '600' };
    const { request_id } = (await ask('support-agent', first)).body;
    const before = await rowOf(request_id);
    for (const changes of [{ justification: 'all of it' }, { requested_expires_in: '60' }]) {
      const { body } = await ask('support-agent', { ...first, ...changes });
      expect(body).toMatchObject({ error: 'authorization_pending', request_id });
    }
    expect(await rowOf(request_id)).toEqual(before);
  });

  it.each([
    ['forged with another key', { key: 'foreign' as const }],
    ['expired', { claims: { exp: Math.floor(Date.now() / 1000) - 60 } }],
    ['for another audience', { claims: { aud: 'api://other' } }],
    ['of a person', { claims: { idtyp: 'user', scp: 'all' } }],
    [
      'of an unknown workload',
      {
        claims: { oid: '00000000-0000-4000-8000-000000000000', sub: '00000000-0000-4000-8000-000000000000' },
      },
    ],
  ])('an assertion %s, with one and the same answer', async (_what, changes) => {
    const subject_token = await world.assertion('support-agent', changes);
    const { status, body } = await world.exchange({ ...READ, subject_token });
    expect({ status, body }).toEqual({
      status: 400,
      body: { error: 'invalid_request', error_description: expect.stringContaining('subject_token') },
    });
  });
});
