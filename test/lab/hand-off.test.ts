/** One agent calls another at a real broker: with its own token, on the list, and nobody passes a token on. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProofKey } from '../../lab/agents/proof-key.ts';
import type { KnownApi, Run } from '../../lab/agents/run.ts';
import { COMPILATIONS } from '../../lab/agents/served-api.ts';
import { startAgent } from '../../lab/agents/start-agent.ts';
import { reports } from '../../lab/apis/reports.ts';
import { startApi } from '../../lab/apis/start-api.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';

const REPORTS = 'api://reports.prod';

let world: TestWorld;
let urls: ReadonlyMap<string, string>;
const closing: (() => Promise<void>)[] = [];

const startParties = async (): Promise<void> => {
  const onProblem = (problem: string): void => expect.fail(problem);
  const api = await startApi(reports, {
    port: 0,
    issuer: world.issuer,
    environments: [
      {
        environment: 'prod',
        audience: REPORTS,
        resource: 'http://127.0.0.1:8422/prod',
        credential: () => world.assertion(REPORTS),
      },
    ],
    onProblem,
  });
  closing.push(api.close);
  const port = await freePort();
  const service = {
    issuer: world.issuer,
    url: `http://127.0.0.1:${port}`,
    credential: () => world.assertion(COMPILATIONS.audience),
    onProblem,
  };
  const { audience, scope, method, path } = COMPILATIONS;
  const apis: KnownApi[] = [
    { audience, url: service.url, calls: [{ scope, method, path }] },
    {
      audience: REPORTS,
      url: `${api.url}/prod`,
      calls: [{ scope: 'reports.read', method: 'GET', path: '/reports' }],
    },
  ];
  const started = new Map<string, string>();
  for (const id of ['reporting-agent', 'ops-agent', 'support-agent']) {
    const serves = id === COMPILATIONS.agent;
    const agent = await startAgent({
      id,
      port: serves ? port : 0,
      tokenEndpoint: `${world.issuer}/token`,
      assertion: () => world.assertion(id),
      credentialWords: 'a certificate',
      apis,
      prove: id === 'ops-agent' ? createProofKey() : null,
      service: serves ? service : null,
    });
    closing.unshift(agent.close);
    started.set(id, agent.url);
  }
  urls = started;
};

beforeAll(async () => {
  world = await startWorld();
  await startParties();
});
afterAll(async () => {
  for (const close of closing) await close();
  await world.stop();
});

/** The run of a story when it is over. */
const play = async (agent: string, scenario: string): Promise<Run> => {
  const url = urls.get(agent) ?? '';
  const begun = await fetch(`${url}/run`, { method: 'POST', body: JSON.stringify({ scenario }) });
  const { id } = (await begun.json()) as Run;
  let run: Run | undefined;
  await expect
    .poll(
      async () => {
        run = (await (await fetch(`${url}/runs/${id}`)).json()) as Run;
        return run.state;
      },
      { timeout: 15_000 },
    )
    .not.toBe('running');
  if (run === undefined) throw new Error('there is no run');
  return run;
};

/** The uses that APIs told of a request, when they did. */
const usesOf = async (requestId: string | null): Promise<unknown[]> => {
  const read = async () =>
    (
      await sql<{ agent: string; use: { outcome: string; status: number; reason?: string } }>`
        select agent_id as agent, convert_from(body, 'UTF8')::jsonb as use from audit_events
        where name = 'token.used' and request_id = ${requestId}`.execute(world.database.db)
    ).rows.map(({ agent, use: { outcome, status, reason } }) => ({ agent, outcome, status, reason }));
  await expect.poll(async () => (await read()).length, { timeout: 15_000 }).toBe(1);
  return read();
};

it('does the work in its own name for a caller that comes with its own token', async () => {
  const run = await play('ops-agent', 'hand-off');
  expect(run).toMatchObject({
    state: 'done',
    token: { client_id: 'ops-agent', aud: COMPILATIONS.audience, cnf: { jkt: expect.any(String) } },
    answer: {
      status: 200,
      body: {
        compiled_for: 'ops-agent',
        compiled_by: 'reporting-agent',
        reports: { reports: expect.anything() },
      },
    },
  });
  const { request_id: ownRequest } = (run.answer?.body ?? {}) as { request_id: string };
  expect(await usesOf(run.request_id)).toEqual([{ agent: 'ops-agent', outcome: 'allowed', status: 200 }]);
  expect(await usesOf(ownRequest)).toEqual([{ agent: 'reporting-agent', outcome: 'allowed', status: 200 }]);
});

it('refuses an impostor: a token for another API, and a good token of an agent that is not on the list', async () => {
  const run = await play('support-agent', 'impostor');
  expect(run).toMatchObject({
    state: 'refused',
    token: { client_id: 'support-agent', aud: COMPILATIONS.audience },
    answer: { status: 403, body: { error: 'access_denied' } },
  });
  const refusals = run.steps.filter(({ name }) => name === 'refused').map(({ text }) => text);
  expect(refusals).toEqual([
    'Called POST /compilations of api://reporting-agent.prod with a token for api://knowledge.prod; the API answered 401: the token is for another API.',
    'Called POST /compilations of api://reporting-agent.prod with the token; the API answered 403: this agent is not one that may call.',
  ]);
  expect(await usesOf(run.request_id)).toEqual([
    { agent: 'support-agent', outcome: 'refused', status: 403, reason: 'caller_not_allowed' },
  ]);
});
