/** An agent of the lab as a server: it is told to run an errand (`POST /run`) and asked how far it is. */
import { randomBytes } from 'node:crypto';
import Router from '@koa/router';
import Koa from 'koa';
import { z } from 'zod';
import { SCENARIOS } from '../scenarios.ts';
import { BodyInvalid, readJson, serve, type WebServer } from '../web-server.ts';
import type { Ask } from './exchange.ts';
import { type AgentParts, type Errand, perform, type Run } from './run.ts';
import { openCompilations, type ServiceOptions } from './serve-agents.ts';

export type AgentOptions = Omit<AgentParts, 'signal'> & {
  readonly id: string;
  readonly port: number;
  /** What it needs to serve other agents; null: it serves none. */
  readonly service: ServiceOptions | null;
};

/** What is to be done, and as which story. */
type Told = { readonly errand: Errand; readonly scenario: string | null };

/** Errands remembered; the oldest is forgotten first. */
const MAX_RUNS = 200;

const errandBody = z.union([
  z.strictObject({ scenario: z.string(), requested_expires_in: z.int().positive().optional() }),
  z.strictObject({
    audience: z.string().min(1),
    scope: z.string().min(1),
    justification: z.string().optional(),
    requested_expires_in: z.int().positive().optional(),
    request_id: z.string().optional(),
  }),
]);

/** What to ask for, or null when this agent has no such scenario. @throws z.ZodError */
const parseErrand = (agent: string, id: string, body: unknown): Told | null => {
  const wanted = errandBody.parse(body);
  if (!('scenario' in wanted)) {
    const { audience, scope, justification, requested_expires_in, request_id } = wanted;
    const ask = { audience, scope, justification, requestedExpiresIn: requested_expires_in };
    return { errand: { ...ask, requestId: request_id ?? id }, scenario: null };
  }
  const scenario = SCENARIOS.find(({ name }) => name === wanted.scenario);
  if (scenario?.agent !== agent) return null;
  const { audience, scope, justification, before, kept, name } = scenario;
  const requestedExpiresIn = wanted.requested_expires_in;
  const ask = { audience, scope, justification, requestId: id, requestedExpiresIn };
  return { errand: { ...ask, before, keep: kept !== undefined }, scenario: name };
};

/** Starts the agent; closing it ends its errands where they are. */
export const startAgent = async (options: AgentOptions): Promise<WebServer> => {
  const runs = new Map<string, Run>();
  const underWay = new Set<Promise<void>>();
  const ending = new AbortController();

  const begin = (id: string, { errand, scenario }: Told): { run: Run; performed: Promise<void> } => {
    const run: Run = {
      id,
      agent: options.id,
      scenario,
      audience: errand.audience,
      scope: errand.scope,
      state: 'running',
      request_id: null,
      repeats: 0,
      steps: [],
      before: [],
      token: null,
      tokens: [],
      answer: null,
    };
    runs.set(id, run);
    const [oldest] = runs.keys();
    if (runs.size > MAX_RUNS && oldest !== undefined) runs.delete(oldest);
    const performed = perform(run, errand, { ...options, signal: ending.signal }).finally(() =>
      underWay.delete(performed),
    );
    underWay.add(performed);
    return { run, performed };
  };
  // One id for the errand and, at the broker, for its request: an errand is one request however often it is asked.
  const newId = (): string => `run-${randomBytes(12).toString('hex')}`;
  const runErrand = async (ask: Ask): Promise<Run> => {
    const id = newId();
    const { run, performed } = begin(id, { errand: { ...ask, requestId: id }, scenario: null });
    await performed;
    return run;
  };

  const router = new Router();
  router.get('/', (context) => {
    context.body = { lab: `${options.id}, an agent of the Countersign lab`, runs: [...runs.keys()] };
  });
  router.post('/run', async (context) => {
    const id = newId();
    try {
      const wanted = parseErrand(options.id, id, await readJson(context.req));
      context.status = wanted === null ? 404 : 202;
      context.body = wanted === null ? { error: 'this agent has no such scenario' } : begin(id, wanted).run;
    } catch (error) {
      if (!(error instanceof BodyInvalid) && !(error instanceof z.ZodError)) throw error;
      context.status = 400;
      context.body = { error: error instanceof z.ZodError ? z.prettifyError(error) : error.message };
    }
  });
  router.get('/runs/:id', (context) => {
    const run = runs.get(context.params.id ?? '');
    context.status = run === undefined ? 404 : 200;
    context.body = run ?? { error: 'no such run' };
  });

  const service = options.service && openCompilations(options.service, runErrand);
  const app = new Koa();
  if (service !== null) app.use(service.router.routes());
  app.use(router.routes()).use(router.allowedMethods());
  const server = await serve(app, options.port);
  return {
    url: server.url,
    close: async () => {
      await server.close();
      ending.abort(new Error('the lab is stopping'));
      await Promise.all(underWay);
      await service?.close();
    },
  };
};
