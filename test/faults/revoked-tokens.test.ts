/** What is taken back ends in every process of an API, whichever broker tells it, and nothing passes without a broker. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBalancer } from '../../bench/balancer.ts';
import { revokeGrants } from '../../src/access/end.ts';
import { logRevocations } from '../../src/revocation/revocation-log.ts';
import { type ApiProcess, startApiProcess } from '../support/api-process.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';

const AUDIENCE = 'api://knowledge.prod';
const SCOPE = 'articles.read';
const PROCESSES = 3;
const IN_TIME = { timeout: 20_000 };

let world: TestWorld;
let balancer: Awaited<ReturnType<typeof startBalancer>>;
let apis: readonly ApiProcess[];
const started: ApiProcess[] = [];

const startApi = async (): Promise<ApiProcess> => {
  const api = await startApiProcess(world.issuer, AUDIENCE, SCOPE);
  started.push(api);
  return api;
};

beforeAll(async () => {
  world = await startWorld({ brokers: 2, environment: { COUNTERSIGN_LISTEN: '127.0.0.1:0' } });
  balancer = await startBalancer(
    Number(new URL(world.issuer).port),
    world.brokers.map(({ port }) => port),
  );
  apis = await Promise.all(Array.from({ length: PROCESSES }, startApi));
});
afterAll(async () => {
  for (const api of started) await api.stop();
  await balancer.close();
  await world.stop();
});

const issue = async (request_id: string): Promise<{ accessToken: string; requestId: string }> => {
  const subject_token = await world.assertion('support-agent');
  const { body } = await world.exchange({ subject_token, audience: AUDIENCE, scope: SCOPE, request_id });
  return { accessToken: body.access_token, requestId: body.request_id };
};
const revoke = async (requestId: string): Promise<void> => {
  const { rows } = await sql<{ id: string }>`select id from grants where request_id = ${requestId}`.execute(
    world.database.db,
  );
  const ending = { requestId, agentId: 'support-agent', grantId: rows[0]?.id ?? '' };
  await revokeGrants(world.database, [ending], {
    by: 'test',
    cause: 'the test takes it back',
    endedBy: null,
  });
};
const answers = (accessToken: string): Promise<number[]> =>
  Promise.all(apis.map((api) => api.call(accessToken)));
const everywhere = (status: number): number[] => apis.map(() => status);

it('is refused by the next call in every process, and other tokens go on (T88)', async () => {
  const revoked = await issue('revoked');
  const other = await issue('other');
  expect(await answers(revoked.accessToken)).toEqual(everywhere(200));
  await revoke(revoked.requestId);
  await expect.poll(() => answers(revoked.accessToken), IN_TIME).toEqual(everywhere(401));
  expect(await answers(revoked.accessToken)).toEqual(everywhere(401));
  expect(await answers(other.accessToken)).toEqual(everywhere(200));
});

it('is refused by a process that started after it was taken back', async () => {
  const { accessToken, requestId } = await issue('before');
  await revoke(requestId);
  const late = await startApi();
  // Its first answer may be of a broker that looks only now.
  await expect.poll(() => late.call(accessToken), IN_TIME).toBe(401);
});

it('is refused by the not-before of its agent, and the next token is good', async () => {
  const { accessToken } = await issue('blocked');
  expect(await answers(accessToken)).toEqual(everywhere(200));
  const until = new Date();
  await logRevocations(world.database.db, [{ kind: 'agent', subject: 'support-agent', until }]);
  await expect.poll(() => answers(accessToken), IN_TIME).toEqual(everywhere(401));
});

it('is told by the other broker when one is gone; with both gone nothing passes, revoked or not', async () => {
  // After the second of the not-before.
  await expect
    .poll(() => issue(`next-${Date.now()}`).then(({ accessToken }) => answers(accessToken)), IN_TIME)
    .toEqual(everywhere(200));
  const revoked = await issue('with-one-broker');
  const other = await issue('good');
  await world.brokers[1]?.stop();
  await revoke(revoked.requestId);
  await expect.poll(() => answers(revoked.accessToken), IN_TIME).toEqual(everywhere(401));
  expect(await answers(other.accessToken)).toEqual(everywhere(200));
  await balancer.close();
  await expect.poll(() => answers(other.accessToken), IN_TIME).toEqual(everywhere(503));
  expect(await answers(revoked.accessToken)).toEqual(everywhere(503));
});
