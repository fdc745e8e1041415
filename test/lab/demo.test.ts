import Koa from 'koa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Run } from '../../lab/agents/run.ts';
import { startDemo } from '../../lab/demo/start-demo.tsx';
import { createTraceReader } from '../../lab/demo/trace.ts';
import { SCENARIOS } from '../../lab/scenarios.ts';
import { readJson, serve, type WebServer } from '../../lab/web-server.ts';

let servers: WebServer[];
let run: Run;
let started: unknown[];
/** What the broker answers to `/requests/{id}`, and with which headers it was asked. */
let traceAnswer: { status: number; body: unknown };
let traceHeaders: Record<string, string | undefined>;
let demo: WebServer;

const event = (name: string, data: Record<string, unknown> = {}) => ({
  position: 1,
  name,
  recorded_at: '2026-01-02T03:04:05.678Z',
  data,
});

const start = async (answer: (context: Koa.Context) => unknown): Promise<WebServer> => {
  const app = new Koa();
  app.use(answer);
  const server = await serve(app, 0);
  servers.push(server);
  return server;
};

beforeEach(async () => {
  servers = [];
  started = [];
  traceHeaders = {};
  traceAnswer = {
    status: 200,
    body: { request: null, events: [event('policy.decided', { decision: 'deny' })] },
  };
  run = {
    id: 'run-1',
    agent: 'reporting-agent',
    scenario: 'export-payroll',
    audience: 'api://reports.prod',
    scope: 'payroll.export',
    state: 'running',
    request_id: null,
    repeats: 0,
    steps: [{ at: '2026-01-02T03:04:05.000Z', name: 'signed_in', text: 'Signed in to Entra.' }],
    before: [],
    token: null,
    tokens: [],
    answer: null,
  };
  const agent = await start(async (context) => {
    if (context.path === '/run') started.push(await readJson(context.req));
    context.status = context.path === '/runs/forgotten' ? 404 : 200;
    context.body = run;
  });
  const broker = await start((context) => {
    traceHeaders = { path: context.path, accept: context.get('accept'), proof: context.get('authorization') };
    context.status = traceAnswer.status;
    context.body = traceAnswer.body;
  });
  demo = await startDemo({
    port: 0,
    lab: {
      issuer: broker.url,
      accounts: ['approver', 'owner', 'auditor'].map((name) => ({
        username: `${name}@lab.example`,
        password: `password-of-${name}`,
        roles: [],
      })),
    },
    agents: new Map(SCENARIOS.map((scenario) => [scenario.agent, agent.url])),
    readTrace: createTraceReader(broker.url, async () => 'tool-assertion'),
  });
  servers.push(demo);
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
});

const page = async (path: string, headers: Record<string, string> = {}): Promise<string> =>
  (await fetch(`${demo.url}${path}`, { headers })).text();
const STORY = '/stories/export-payroll/run-1';

describe('the first page', () => {
  it('offers every story, and names every account with its password', async () => {
    const html = await page('/');
    for (const { name } of SCENARIOS) expect(html).toContain(`action="/stories/${name}"`);
    expect(html).toContain('approver@lab.example');
    expect(html).toContain('password-of-owner');
    expect(html).toMatch(/href="http:\/\/127\.0\.0\.1:\d+\/blocks"/);
  });

  it('may load nothing but its own files', async () => {
    const answer = await fetch(demo.url);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const file of ['/demo.css', '/htmx.js', '/lifetime.js']) {
      expect((await fetch(`${demo.url}${file}`)).headers.get('content-type')).toMatch(
        /^text\/(css|javascript)/,
      );
    }
  });
});

describe('a story', () => {
  const begin = (headers: Record<string, string>, name = 'export-payroll'): Promise<Response> =>
    fetch(`${demo.url}/stories/${name}`, { method: 'POST', redirect: 'manual', headers });

  it('is started at its agent, and leads to the page of that run', async () => {
    const answer = await begin({ origin: demo.url });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, STORY]);
    expect(started).toEqual([{ scenario: 'export-payroll' }]);
  });

  it('asks for as long as the reader chose, within what the story offers', async () => {
    for (const [chosen, asked] of [
      ['48', 48],
      ['1', 6],
      ['9999', 120],
      ['x', 36],
    ]) {
      await fetch(`${demo.url}/stories/rotation`, {
        method: 'POST',
        redirect: 'manual',
        headers: { origin: demo.url },
        body: new URLSearchParams({ seconds: String(chosen) }),
      });
      expect(started.at(-1)).toEqual({ scenario: 'rotation', requested_expires_in: asked });
    }
  });

  it('links the traces of what was asked on the way', async () => {
    run.before.push({ audience: 'api://operations.dev', scope: 'release.deploy', request_id: 'areq_before' });
    expect(await page('/stories/release/run-1')).toContain('/requests/areq_before');
  });

  it('cannot be started by another site', async () => {
    expect((await begin({ origin: 'https://attacker.example' })).status).toBe(403);
    expect((await begin({})).status).toBe(403);
    expect((await begin({ origin: demo.url }, 'unknown')).status).toBe(404);
    expect(started).toEqual([]);
  });

  it('shows what the agent did while nothing is known of a request', async () => {
    const html = await page(STORY);
    expect(html).toContain('Signed in to Entra.');
    expect(html).toContain('hx-get="/stories/export-payroll/run-1"');
    expect(traceHeaders).toEqual({});
  });

  it('sends the reader to the approval page while it waits, and says as whom', async () => {
    run = { ...run, state: 'waiting', request_id: 'areq_1', repeats: 2 };
    const html = await page(STORY);
    expect(html).toMatch(/href="http:\/\/127\.0\.0\.1:\d+\/approvals\/areq_1"/);
    expect(html).toContain('password-of-approver');
  });

  it("shows the trace that the broker tells the lab's auditor tool", async () => {
    run = { ...run, request_id: 'areq_1' };
    traceAnswer.body = {
      request: {},
      events: [event('approval.given', { reason: '<b>fine</b>' }), event('new.event')],
    };
    const html = await page(STORY);
    expect(traceHeaders).toEqual({
      path: '/requests/areq_1',
      accept: 'application/json',
      proof: 'Bearer tool-assertion',
    });
    expect(html).toContain('A person countersigned exactly these terms.');
    expect(html).toContain('&lt;b>fine&lt;/b>');
    expect(html).toContain('new.event');
    expect(html).toContain('03:04:05.678');
  });

  it('tells a token that was taken back from one that an API refused', async () => {
    run = {
      ...run,
      state: 'refused',
      token: { aud: 'api://reports.dev' },
      answer: { status: 200, body: {} },
    };
    expect(await page(STORY)).toContain('Taken back: the agent gets no further token');
    run = { ...run, answer: { status: 403, body: {} } };
    expect(await page(STORY)).toContain('Refused: the API did not let the agent in');
  });

  it('says after a denial that it holds, where it is lifted and as whom, until it is lifted', async () => {
    run = { ...run, state: 'refused', request_id: 'areq_1' };
    traceAnswer.body = { events: [event('request.opened'), event('denial.given')] };
    const html = await page(STORY);
    expect(html).toMatch(/denial holds.*href="http:\/\/127\.0\.0\.1:\d+\/approvals\/areq_1"/s);
    expect(html).toContain('password-of-approver');
    traceAnswer.body = { events: [event('denial.given'), event('denial.lifted')] };
    expect(await page(STORY)).not.toContain('denial holds');
    traceAnswer.body = { events: [event('policy.decided', { decision: 'deny' })] };
    expect(await page(STORY)).toContain('Policy denies it.');
  });

  it('says so when the trace cannot be read', async () => {
    run = { ...run, request_id: 'areq_1' };
    traceAnswer = { status: 403, body: {} };
    expect(await page(STORY)).toContain('cannot be read now: the broker answered with status 403');
    traceAnswer = { status: 200, body: { events: 'none' } };
    expect(await page(STORY)).toContain('cannot be read now');
  });

  it('stops refreshing itself when it is over, and shows what came of it', async () => {
    const token = { aud: 'api://reports.prod' };
    run = { ...run, state: 'done', request_id: 'areq_1', token, answer: { status: 201, body: { total: 7 } } };
    traceAnswer.body = { events: [event('token.used')] };
    const html = await page(STORY);
    expect(html).not.toContain('hx-get');
    expect(html).not.toContain('http-equiv="refresh"');
    expect(html).toContain('What the API answered: 201');
    expect(html).toContain('&quot;total&quot;: 7');
    expect(html).toContain('action="/stories/delete-database"');
  });

  it('goes on for the reports of uses that follow the answer', async () => {
    run = { ...run, state: 'done', request_id: 'areq_1' };
    run.steps.push({ at: new Date().toISOString(), name: 'called', text: 'Called.' });
    traceAnswer.body = { events: [event('token.issued')] };
    expect(await page(STORY)).toContain('hx-get');
  });

  it('is answered alone, without the page around it, when the page refreshes it', async () => {
    const html = await page(STORY, { 'hx-request': 'true' });
    expect(html).toMatch(/^<div id="story"/);
  });

  it('that is forgotten is told apart from one that never was', async () => {
    expect(await page('/stories/export-payroll/forgotten')).toMatch(/Run the story again.*href="\/"/s);
    expect(await page('/stories/export-payroll/forgotten', { 'hx-request': 'true' })).not.toContain('<html');
    for (const path of ['/stories/unknown/run-1', '/nowhere'])
      expect((await fetch(`${demo.url}${path}`)).status).toBe(404);
  });
});
