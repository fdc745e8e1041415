/** Several tenants, each of which vouches for its own workloads and for nobody else's. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { agentOf } from '../../lab/world.ts';
import type { Broker } from '../../src/broker.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { readRegistry } from '../../src/registry/registry-file.ts';
import { manage, startTestEntra, type TestEntra } from '../lab/entra-fixture.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { newestEvent, signInAs, startTrusting, trustIn } from '../support/entra-modes.ts';
import { checkPromises } from '../support/promises.ts';
import { READ } from './expect-refusal.ts';

let world: TestWorld;
let second: TestEntra;
let third: TestEntra;
let broker: Broker;

/** The support agent stays in the first tenant; the reporting agent moves to the second, with the articles to read. */
const moveAgent = async (): Promise<void> => {
  const registry = await readRegistry([world.settings.COUNTERSIGN_REGISTRY ?? '']);
  const { objectId, clientId } = agentOf(second.world, 'support-agent');
  const elsewhere = { tenant: second.world.tenant, object: objectId, application: clientId };
  const agents = registry.agents.map((agent) =>
    agent.id === 'reporting-agent' ? { ...agent, workload: elsewhere } : agent,
  );
  await applyRegistry(world.database, { ...registry, agents }, { reason: 'test', appliedBy: 'test' });
};

beforeAll(async () => {
  // One after the other: each adds its authority to those that this process trusts.
  world = await startWorld();
  second = await startTestEntra();
  third = await startTestEntra();
  await moveAgent();
  const trusts = [trustIn(world.entra), trustIn(second, { required_roles: [], versions: ['2.0'] })];
  broker = await startTrusting(world, trusts, [second, third]);
});
afterEach(() => checkPromises(world.database));
afterAll(async () => {
  await broker.stop();
  await world.stop();
  await Promise.all([second.stop(), third.stop()]);
});

const ask = (subject_token: string, wanted: Readonly<Record<string, string>> = READ) =>
  world.exchange({ ...wanted, subject_token }, { port: broker.port });

/** An assertion with these claims, signed by the key that `signer` publishes now. */
const signedBy = async (signer: TestEntra, token: string, claims: object): Promise<string> => {
  const [header = '', payload = ''] = token.split('.');
  const read = (part: string): object => JSON.parse(Buffer.from(part, 'base64url').toString());
  const { kid } = (await (
    await manage(signer.entra, 'POST', '/lab/sign', { header: {}, payload: {}, key: 'current' })
  ).json()) as { kid: string };
  const answer = await manage(signer.entra, 'POST', '/lab/sign', {
    header: { ...read(header), kid },
    payload: { ...read(payload), ...claims },
    key: 'current',
  });
  return ((await answer.json()) as { token: string }).token;
};

it('lets workloads of each listed tenant in, as the agents they are registered as', async () => {
  expect((await ask(await signInAs(world.entra, 'support-agent', 'secret'))).status).toBe(200);
  const reports = { audience: 'api://reports.prod', scope: 'reports.read' };
  const answer = await ask(await signInAs(second, 'support-agent', 'certificate'), reports);
  expect(answer.status).toBe(200);
  const { sub } = JSON.parse(Buffer.from(answer.body.access_token.split('.')[1], 'base64url').toString());
  expect(sub).toBe('reporting-agent');
  expect(await newestEvent(world, 'assertion.verified')).toMatchObject({ tenant: second.world.tenant });
});

it('refuses a tenant that is not listed, without asking it for keys (T38)', async () => {
  const stranger = await signInAs(third, 'support-agent', 'secret');
  const calls = third.entra.history().length;
  expect((await ask(stranger)).body.error).toBe('invalid_request');
  expect(await newestEvent(world, 'assertion.rejected')).toMatchObject({ reason: 'issuer' });
  expect(third.entra.history()).toHaveLength(calls);
});

it('refuses a tenant that names a workload of another: by tid, by issuer, or by its object id (T37)', async () => {
  const good = await signInAs(world.entra, 'support-agent', 'secret');
  const { objectId, clientId } = agentOf(world.entra.world, 'support-agent');
  const home = { iss: `${second.entra.authority}/${second.world.tenant}/v2.0`, tid: second.world.tenant };
  const aud = second.world.broker.clientId;
  const attempts: [object, string][] = [
    [{}, 'kid'],
    [{ iss: home.iss, aud }, 'tid'],
  ];
  for (const [claims, reason] of attempts) {
    expect((await ask(await signedBy(second, good, claims))).body.error).toBe('invalid_request');
    expect(await newestEvent(world, 'assertion.rejected')).toMatchObject({ reason });
  }
  const namesake = { ...home, aud, oid: objectId, sub: objectId, azp: clientId };
  expect((await ask(await signedBy(second, good, namesake))).body.error).toBe('invalid_request');
  expect(await newestEvent(world, 'agent.rejected')).toMatchObject({
    reason: 'unknown_workload',
    tenant: second.world.tenant,
    object: objectId,
  });
});

it("refuses one tenant's token for the application of another (T43)", async () => {
  const good = await signInAs(second, 'support-agent', 'secret');
  const elsewhere = await signedBy(second, good, { aud: world.entra.world.broker.clientId });
  expect((await ask(elsewhere)).body.error).toBe('invalid_request');
  expect(await newestEvent(world, 'assertion.rejected')).toMatchObject({ reason: 'aud' });
});
