import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setBlock } from '../../src/access/blocks.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;
let tool: string;
let traced: string;
beforeAll(async () => {
  world = await startWorld();
  tool = await world.assertion('tool');
  const issued = await world.exchange({
    subject_token: await world.assertion('support-agent'),
    audience: 'api://knowledge.prod',
    scope: 'articles.read',
  });
  traced = issued.body.request_id;
});
afterAll(() => world.stop());

const JSON_TYPE = { accept: 'application/json' };
const read = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  world.get(path, { ...JSON_TYPE, authorization: `Bearer ${tool}`, ...headers });

describe('a tool with the role', () => {
  it('reads a trace: the request and its events in order, as they are', async () => {
    const { status, headers, body } = await read(`/requests/${traced}`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('vary')).toMatch(/Accept.*Authorization/i);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body.request).toMatchObject({
      request_id: traced,
      agent: 'support-agent',
      audience: 'api://knowledge.prod',
      scopes: ['articles.read'],
      state: 'permitted',
      grant: { state: 'active' },
    });
    expect(body.events.map(({ name }: { name: string }) => name)).toEqual(await world.trace(traced));
    expect(body.events[0]).toMatchObject({ v: 1, agent: 'support-agent', request_id: traced });
    const positions: number[] = body.events.map(({ position }: { position: number }) => position);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
  });

  it('reads the trace of a refusal, which opened no request', async () => {
    const refused = await world.exchange({
      subject_token: await world.assertion('ops-agent'),
      audience: 'api://operations.prod',
      scope: 'database.delete',
    });
    const { status, body } = await read(`/requests/${refused.body.request_id}`);
    expect([status, body.request]).toEqual([200, null]);
    expect(body.events.map(({ name }: { name: string }) => name)).toContain('policy.decided');
  });

  it('reads the trail by filter and page by page', async () => {
    const all = await read(`/audit?request=${traced}`);
    expect(all.body.items.map(({ name }: { name: string }) => name)).toEqual(
      (await world.trace(traced)).reverse(),
    );
    expect(all.body).not.toHaveProperty('next');
    const issued = await read('/audit?event=token.issued&agent=support-agent');
    expect(issued.body.items).toHaveLength(1);
    expect((await read('/audit?agent=nobody')).body).toEqual({ items: [] });
  });

  it('reads tokens by filter, one with its lineage, and kill switches', async () => {
    const { body } = await read(`/tokens?request=${traced}&state=ACTIVE`);
    expect(body.items).toEqual([
      {
        jti: expect.stringMatching(/^tok_/),
        state: 'ACTIVE',
        agent: 'support-agent',
        audience: 'api://knowledge.prod',
        environment: 'prod',
        scopes: ['articles.read'],
        request_id: traced,
        grant_id: expect.stringMatching(/^grant_/),
        issued_at: expect.any(String),
        expires_at: expect.any(String),
        successor: null,
      },
    ]);
    const [token] = body.items;
    expect((await read(`/tokens/${token.jti}`)).body).toEqual({ token, lineage: [token] });
    expect((await read('/tokens/tok_nothing')).status).toBe(404);
    expect((await read('/tokens?state=fine')).body.error).toBe('invalid_request');
    const set = await setBlock(
      world.database,
      { kind: 'agent', subject: 'ops-agent', lasting: true },
      { by: 'command line', reason: 'it went mad' },
    );
    expect((await read('/blocks')).body.items).toEqual([
      expect.objectContaining({ ...(set as object), kind: 'agent', subject: 'ops-agent', lifted_at: null }),
    ]);
  });

  it('is told what is wrong with a filter', async () => {
    for (const query of ['from=yesterday', 'to=2026-13-40T00:00:00Z', 'agent=%00', 'request=a%20b']) {
      const { status, body } = await read(`/audit?${query}`);
      expect([query, status, body.error]).toEqual([query, 400, 'invalid_request']);
    }
  });

  it('finds nothing under an id that is not known', async () => {
    for (const id of ['areq_unknown', '%00', "'", 'x'.repeat(200)]) {
      const { status, body } = await read(`/requests/${id}`);
      expect([id, status, body.error]).toEqual([id, 404, 'not_found']);
    }
  });
});

describe('who may not read', () => {
  const paths = () => ['/audit', `/requests/${traced}`, '/tokens', '/blocks'];

  it('refuses no assertion and a bad one, with a challenge', async () => {
    for (const path of paths()) {
      for (const headers of [{}, { authorization: 'Bearer nonsense' }, { authorization: `Basic ${tool}` }]) {
        const { status, headers: answered, body } = await world.get(path, { ...JSON_TYPE, ...headers });
        expect([path, status, body.error]).toEqual([path, 401, 'invalid_token']);
        expect(answered.get('www-authenticate')).toBe('Bearer error="invalid_token"');
      }
    }
  });

  it('refuses registered agents, and workloads without the role', async () => {
    const roles = { claims: { roles: ['Auditor'] } };
    const agent = await world.assertion('support-agent', roles);
    const api = await world.assertion('api://reports.prod');
    for (const path of paths()) {
      for (const assertion of [agent, api]) {
        const { status, body } = await read(path, { authorization: `Bearer ${assertion}` });
        expect([path, status, body.error]).toEqual([path, 403, 'insufficient_scope']);
      }
    }
  });

  it('takes a cookie and an assertion at once for a mistake, and a cookie alone for nothing', async () => {
    const cookie = `countersign_session=${'A'.repeat(43)}`;
    for (const path of paths()) {
      expect((await read(path, { cookie })).status).toBe(400);
      expect((await world.get(path, { ...JSON_TYPE, cookie })).status).toBe(401);
    }
  });

  it('lets an assertion decide nothing: approvals are for people', async () => {
    const { status, headers } = await read('/approvals');
    expect([status, headers.get('location')?.startsWith('/sign-in')]).toEqual([303, true]);
  });
});
