/** The demo page as a server: starts stories at the agents, and shows each with its trace. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import type { JSX } from 'preact';
import { renderToString } from 'preact-render-to-string';
import type { Run } from '../agents/run.ts';
import { packageFile } from '../package-file.ts';
import { SCENARIOS, type Scenario } from '../scenarios.ts';
import { readText, serve, type WebServer } from '../web-server.ts';
import { HomePage } from './home-page.tsx';
import { Message, MessagePage } from './message-page.tsx';
import { LiveStory, RunPage } from './run-page.tsx';
import { isLive, type Lab, type Story } from './story.ts';
import { emptyTrace, type TraceReader } from './trace.ts';

export type DemoOptions = {
  readonly port: number;
  readonly lab: Lab;
  /** Where each agent listens, by its id. */
  readonly agents: ReadonlyMap<string, string>;
  readonly readTrace: TraceReader;
};

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  'img-src data:',
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const show = (context: Context, page: JSX.Element, whole = true): void => {
  context.type = 'text/html; charset=utf-8';
  context.body = (whole ? '<!doctype html>' : '') + renderToString(page);
};

const scenarioOf = (context: Context, name: string | undefined): Scenario =>
  SCENARIOS.find((scenario) => scenario.name === name) ?? context.throw(404, 'There is no such story.');

/** The seconds that the reader chose, within what the story offers. */
const wishOf = ({ least, most, usual }: NonNullable<Scenario['kept']>, form: string): number => {
  const chosen = Number(new URLSearchParams(form).get('seconds') ?? usual);
  return Number.isInteger(chosen) ? Math.min(Math.max(chosen, least), most) : usual;
};

/** Starts the demo page. */
export const startDemo = async (options: DemoOptions): Promise<WebServer> => {
  const { lab } = options;
  const [style, htmx, lifetime] = await Promise.all([
    Promise.all(
      ['demo.css', 'token-line.css'].map((name) => readFile(packageFile(`lab/demo/${name}`), 'utf8')),
    ),
    readFile(fileURLToPath(import.meta.resolve('htmx.org/dist/htmx.min.js'))),
    readFile(packageFile('lab/demo/lifetime.js')),
  ]);

  const agentUrl = (scenario: Scenario): string => options.agents.get(scenario.agent) ?? '';
  const readRun = async (scenario: Scenario, id: string): Promise<Run | null> => {
    const response = await fetch(`${agentUrl(scenario)}/runs/${encodeURIComponent(id)}`);
    const run = (await response.json()) as Run;
    return response.status === 200 ? run : null;
  };
  const readStory = async (scenario: Scenario, run: Run): Promise<Story> => {
    const trace = run.request_id === null ? emptyTrace(null) : await options.readTrace(run.request_id);
    const next = SCENARIOS[SCENARIOS.indexOf(scenario) + 1] ?? null;
    return { scenario, next, run, trace, live: isLive(run, trace, new Date()) };
  };

  const router = new Router();
  router.get('/', (context) => show(context, <HomePage lab={lab} scenarios={SCENARIOS} />));
  router.post('/stories/:name', async (context) => {
    // Only this page's own buttons start a story.
    if (context.get('origin') !== `http://${context.host}`)
      context.throw(403, 'Start a story from its own page.');
    const scenario = scenarioOf(context, context.params.name);
    const response = await fetch(`${agentUrl(scenario)}/run`, {
      method: 'POST',
      body: JSON.stringify({
        scenario: scenario.name,
        ...(scenario.kept !== undefined && {
          requested_expires_in: wishOf(scenario.kept, await readText(context.req)),
        }),
      }),
    });
    const { id } = (await response.json()) as Run;
    context.status = 303;
    context.redirect(`/stories/${scenario.name}/${id}`);
  });
  router.get('/stories/:name/:run', async (context) => {
    const scenario = scenarioOf(context, context.params.name);
    const run = await readRun(scenario, context.params.run ?? '');
    if (run === null)
      return context.throw(404, 'This run is forgotten: the lab was restarted. Run the story again.');
    const story = await readStory(scenario, run);
    if (context.get('hx-request') === '') show(context, <RunPage story={story} lab={lab} />);
    else show(context, <LiveStory story={story} lab={lab} />, false);
  });
  router.get('/demo.css', (context) => {
    context.type = 'text/css; charset=utf-8';
    context.body = style.join('');
  });
  for (const [path, script] of [
    ['/htmx.js', htmx],
    ['/lifetime.js', lifetime],
  ] as const)
    router.get(path, (context) => {
      context.type = 'text/javascript; charset=utf-8';
      context.body = script;
    });

  const app = new Koa();
  app.use(async (context, next) => {
    context.set({
      'cache-control': 'no-store',
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    });
    try {
      await next();
      if (context.status === 404) context.throw(404, 'There is no such page.');
    } catch (error) {
      if (!(error instanceof Koa.HttpError && error.expose)) throw error;
      context.status = error.status;
      if (context.get('hx-request') === '') show(context, <MessagePage text={error.message} />);
      else show(context, <Message text={error.message} />, false);
    }
  });
  app.use(router.routes()).use(router.allowedMethods());
  return serve(app, options.port);
};
