/** A release over three environments, and a token that is kept, by the lab's agents at a real broker and real APIs. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProofKey } from '../../lab/agents/proof-key.ts';
import type { KnownApi, Run } from '../../lab/agents/run.ts';
import { startAgent } from '../../lab/agents/start-agent.ts';
import { operations } from '../../lab/apis/operations.ts';
import { reports } from '../../lab/apis/reports.ts';
import { startApi } from '../../lab/apis/start-api.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { until } from '../support/fact.ts';

const ENVIRONMENTS = ['dev', 'test', 'prod'] as const;

let world: TestWorld;
const agents = new Map<string, string>();
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  world = await startWorld();
  const apis: KnownApi[] = [];
  for (const api of [operations, reports]) {
    const port = await freePort();
    const environments = ENVIRONMENTS.map((environment) => ({
      environment,
      audience: `api://${api.name}.${environment}`,
      resource: `http://127.0.0.1:${port}/${environment}`,
      credential: () => world.assertion(`api://${api.name}.${environment}`),
    }));
    const onProblem = (problem: string): void => expect.fail(problem);
    const server = await startApi(api, { port, issuer: world.issuer, environments, onProblem });
    closing.push(server.close);
    for (const { audience, environment, resource } of environments) {
      const calls = api
        .open(environment)
        .map(({ scope, method, example }) => ({ scope, method, path: example }));
      apis.push({ audience, url: resource, calls });
    }
  }
  for (const id of ['ops-agent', 'reporting-agent']) {
    const agent = await startAgent({
      id,
      port: 0,
      tokenEndpoint: `${world.issuer}/token`,
      assertion: () => world.assertion(id),
      credentialWords: 'a certificate',
      apis,
      prove: id === 'ops-agent' ? createProofKey() : null,
      service: null,
    });
    closing.unshift(agent.close);
    agents.set(id, agent.url);
  }
});
afterAll(async () => {
  for (const close of closing) await close();
  await world.stop();
});

const begin = async (agent: string, errand: object): Promise<string> => {
  const answer = await fetch(`${agents.get(agent)}/run`, { method: 'POST', body: JSON.stringify(errand) });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as Run).id;
};

const runOf = async (agent: string, id: string): Promise<Run> =>
  (await (await fetch(`${agents.get(agent)}/runs/${id}`)).json()) as Run;

/** The run as soon as it is in one of these states. */
const runIn = (agent: string, id: string, ...states: Run['state'][]): Promise<Run> =>
  until(async () => {
    const run = await runOf(agent, id);
    return states.includes(run.state) ? run : undefined;
  });

it('goes from dev over test to prod, past a wrong environment, a policy that blocks and a person', {
  timeout: 60_000,
}, async () => {
  const id = await begin('ops-agent', { scenario: 'release' });
  const waiting = await runIn('ops-agent', id, 'waiting');
  const told = waiting.steps.map(({ name, text }) => `${name}: ${text}`).join('\n');
  expect(told).toMatch(/called: Called POST \/releases of api:\/\/operations\.dev .* answered 201/);
  expect(told).toMatch(/called: Called POST \/releases of api:\/\/operations\.test .* answered 201/);
  expect(told).toMatch(
    /refused: Called .* of api:\/\/operations\.prod with a token for api:\/\/operations\.test; .* 401/,
  );
  expect(told).toMatch(/refused: The broker said access_denied/);
  expect(waiting.before.map(({ audience }) => audience)).toEqual([
    'api://operations.dev',
    'api://operations.test',
    'api://operations.test',
    'api://operations.prod',
  ]);
  await world.vote(waiting.request_id ?? '', 'approve');
  const done = await runIn('ops-agent', id, 'done', 'failed', 'refused');
  expect([done.state, done.answer?.status, done.token?.aud]).toEqual(['done', 201, 'api://operations.prod']);
});

it('keeps a token as long as it is granted, each successor in time', { timeout: 60_000 }, async () => {
  const id = await begin('reporting-agent', { scenario: 'rotation', requested_expires_in: 18 });
  const { tokens, steps } = await runIn('reporting-agent', id, 'done', 'failed', 'refused');
  const [first, second] = tokens;
  if (first === undefined || second === undefined) throw new Error(`no rotation: ${JSON.stringify(steps)}`);
  expect(first.exp - first.iat).toBe(12);
  expect(second.iat).toBeLessThan(first.exp);
  expect((tokens.at(-1)?.exp ?? 0) - first.iat).toBeLessThanOrEqual(18);
  expect(steps.filter(({ name }) => name === 'called')).toHaveLength(tokens.length);
});
