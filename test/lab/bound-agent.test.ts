/** An agent of the lab with a key of its own, from the exchange at a real broker to the call of a real API. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProofKey } from '../../lab/agents/proof-key.ts';
import { perform, type Run } from '../../lab/agents/run.ts';
import { operations } from '../../lab/apis/operations.ts';
import { startApi } from '../../lab/apis/start-api.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';

const AUDIENCE = 'api://operations.dev';

let world: TestWorld;
let api: Awaited<ReturnType<typeof startApi>>;

beforeAll(async () => {
  world = await startWorld();
  const port = await freePort();
  api = await startApi(operations, {
    port,
    issuer: world.issuer,
    environments: [
      {
        environment: 'dev',
        audience: AUDIENCE,
        resource: `http://127.0.0.1:${port}/dev`,
        credential: () => world.assertion(AUDIENCE),
      },
    ],
    onProblem: (problem) => expect.fail(problem),
  });
});
afterAll(async () => {
  await api.close();
  await world.stop();
});

it('asks with proofs of its key, and only it can use the token it gets', async () => {
  const run: Run = {
    id: 'run-1',
    agent: 'ops-agent',
    scenario: null,
    audience: AUDIENCE,
    scope: 'release.deploy',
    state: 'running',
    request_id: null,
    repeats: 0,
    steps: [],
    before: [],
    token: null,
    tokens: [],
    answer: null,
  };
  await perform(
    run,
    { audience: AUDIENCE, scope: 'release.deploy' },
    {
      tokenEndpoint: `${world.issuer}/token`,
      assertion: () => world.assertion('ops-agent'),
      credentialWords: 'a client secret',
      apis: [
        {
          audience: AUDIENCE,
          url: `${api.url}/dev`,
          calls: [{ scope: 'release.deploy', method: 'POST', path: '/releases' }],
        },
      ],
      prove: createProofKey(),
      signal: AbortSignal.timeout(20_000),
    },
  );
  expect(run).toMatchObject({ state: 'done', answer: { status: 201 } });
  const { rows } = await sql<{ proof_key: string }>`
    select proof_key from access_requests where id = ${run.request_id}`.execute(world.database.db);
  expect(run.token).toMatchObject({ cnf: { jkt: rows[0]?.proof_key } });
});
