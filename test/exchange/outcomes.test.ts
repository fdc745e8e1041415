import { createLocalJWKSet, jwtVerify } from 'jose';
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
const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };
const DELETE = { audience: 'api://operations.prod', scope: 'database.delete' };

describe('what policy permits', () => {
  it('is answered with a token that the JWKS verifies, and told from assertion to token', async () => {
    const { status, headers, body } = await ask('support-agent', READ);
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        access_token: expect.any(String),
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        expires_in: expect.any(Number),
        grant_expires_in: expect.any(Number),
        scope: 'articles.read',
        request_id: expect.stringMatching(/^areq_/),
      },
    });
    expect(headers.get('cache-control')).toBe('no-store');
    const jwks = (await world.get('/jwks')).body;
    const { payload, protectedHeader } = await jwtVerify(body.access_token, createLocalJWKSet(jwks), {
      issuer: world.issuer,
      audience: 'api://knowledge.prod',
      typ: 'at+jwt',
      algorithms: ['ES256'],
    });
    expect(protectedHeader).toEqual({ typ: 'at+jwt', alg: 'ES256', kid: jwks.keys[0].kid });
    expect(payload).toEqual({
      iss: world.issuer,
      sub: 'support-agent',
      client_id: 'support-agent',
      aud: 'api://knowledge.prod',
      scope: 'articles.read',
      iat: expect.any(Number),
      exp: expect.any(Number),
      jti: expect.stringMatching(/^tok_/),
      txn: body.request_id,
      env: 'prod',
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(45);
    expect(await world.trace(body.request_id)).toEqual([
      'assertion.verified',
      'agent.mapped',
      'policy.decided',
      'request.opened',
      'grant.opened',
      'token.issued',
    ]);
  });

  it('is the same credential again for the same request, and is told again', async () => {
    const first = await ask('support-agent', { ...READ, request_id: 'again' });
    const second = await ask('support-agent', { ...READ, request_id: 'again' });
    expect(second.body.request_id).toBe(first.body.request_id);
    const jti = (token: string) => JSON.parse(atob(token.split('.')[1] ?? '')).jti;
    expect(jti(second.body.access_token)).toBe(jti(first.body.access_token));
    expect((await world.trace(first.body.request_id)).at(-1)).toBe('token.redelivered');
  });

  it('says jwt where that was asked, and takes the default scopes where none was', async () => {
    const { body } = await ask('support-agent', {
      audience: 'api://knowledge.test',
      requested_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
    expect(body).toMatchObject({
      issued_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      scope: 'articles.read',
    });
  });

  it('lives no longer than was wished', async () => {
    const { body } = await ask('support-agent', {
      audience: 'api://knowledge.dev',
      requested_expires_in: '7',
    });
    expect(body.expires_in).toBeLessThanOrEqual(7);
  });
});

describe('what needs approval', () => {
  it('is pending until a person approves, then the token, then the same token', async () => {
    const parameters = { ...EXPORT, request_id: 'run-1', justification: 'month end' };
    const pending = await ask('reporting-agent', parameters);
    expect(pending.status).toBe(400);
    expect(pending.headers.get('retry-after')).toBe('5');
    expect(pending.body).toEqual({
      error: 'authorization_pending',
      error_description: expect.stringContaining(`${world.issuer}/approvals/${pending.body.request_id}`),
      request_id: expect.stringMatching(/^areq_/),
      interval: 5,
      expires_in: expect.any(Number),
    });
    const { request_id } = pending.body;
    expect(await world.vote(request_id, 'approve')).toEqual({ outcome: 'approved' });
    const issued = await ask('reporting-agent', { ...parameters, justification: 'reworded' });
    expect(issued).toMatchObject({ status: 200, body: { request_id, scope: 'payroll.export' } });
    const byBrokerId = await ask('reporting-agent', { ...EXPORT, request_id });
    expect(byBrokerId.body.request_id).toBe(request_id);
    expect(await world.trace(request_id)).toEqual([
      'assertion.verified',
      'agent.mapped',
      'policy.decided',
      'request.opened',
      'approval.given',
      'grant.opened',
      'assertion.verified',
      'policy.decided',
      'token.issued',
      'assertion.verified',
      'policy.decided',
      'token.redelivered',
    ]);
  });

  it('opens one request for a repeat without an id, however it is worded', async () => {
    const first = await ask('ops-agent', { audience: 'api://operations.prod', scope: 'release.deploy' });
    const second = await ask('ops-agent', {
      audience: 'api://operations.prod',
      scope: 'release.deploy',
      justification: 'please',
    });
    expect(first.body.error).toBe('authorization_pending');
    expect(second.body.request_id).toBe(first.body.request_id);
  });

  it('is slowed down when repeated faster than the interval with one assertion', async () => {
    const subject_token = await world.assertion('ops-agent');
    const parameters = { subject_token, audience: 'api://operations.prod', scope: 'services.restart' };
    const answers = [];
    for (let repeat = 0; repeat < 3; repeat += 1) answers.push((await world.exchange(parameters)).body);
    expect(answers.map(({ error, interval }) => [error, interval])).toEqual([
      ['authorization_pending', 5],
      ['authorization_pending', 5],
      ['slow_down', 10],
    ]);
  });

  it('is changed by none of 500 repeats that come too early', async () => {
    const subject_token = await world.assertion('reporting-agent');
    const asked = { subject_token, ...EXPORT, request_id: 'impatient' };
    const requestId = (await world.exchange(asked)).body.request_id;
    const written = async () =>
      (
        await sql`select xmin::text, (select count(*) from audit_events) as events
          from access_requests where id = ${requestId}`.execute(world.database.db)
      ).rows;
    const before = await written();
    const answers = await Promise.all(Array.from({ length: 500 }, () => world.exchange(asked)));
    expect(new Set(answers.map(({ body }) => body.error))).toEqual(
      new Set(['authorization_pending', 'slow_down']),
    );
    expect(await written()).toEqual(before);
  });

  it('stays denied after a person said no, whatever the words or the key', async () => {
    const parameters = { audience: 'api://knowledge.prod', scope: 'articles.write' };
    const { request_id } = (await ask('support-agent', parameters)).body;
    expect(await world.vote(request_id, 'deny')).toEqual({ outcome: 'denied' });
    for (const changes of [
      {},
      { request_id: 'another-key' },
      { justification: 'really important' },
      { scope: 'articles.read articles.write' },
      { request_id },
    ]) {
      const { status, body } = await ask('support-agent', { ...parameters, ...changes });
      if (changes.request_id === request_id || changes.scope === undefined || changes.scope.includes('write'))
        expect({ status, error: body.error, request_id: body.request_id }).toEqual({
          status: 400,
          error: 'access_denied',
          request_id,
        });
    }
    expect((await ask('support-agent', READ)).status).toBe(200);
  });

  it('is not approved by an owner of the agent', async () => {
    const { request_id } = (await ask('reporting-agent', { ...EXPORT, request_id: 'owned' })).body;
    expect(await world.vote(request_id, 'approve', 'owner')).toEqual({ refused: 'owner' });
    expect((await ask('reporting-agent', { ...EXPORT, request_id: 'owned' })).body.error).toBe(
      'authorization_pending',
    );
  });
});

describe('what policy denies', () => {
  it('is access_denied with the public reason, decided anew, opens nothing and is told', async () => {
    const { status, body } = await ask('ops-agent', DELETE);
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'access_denied' });
    expect(body.reason).toEqual(expect.any(String));
    expect(body.error_description).toContain(body.request_id);
    expect(await world.trace(body.request_id)).toEqual([
      'assertion.verified',
      'agent.mapped',
      'policy.decided',
    ]);
    expect((await ask('ops-agent', DELETE)).body.request_id).toBe(body.request_id);
  });
});
