import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openWorkload, type WorkloadCredential } from '../../lab/workload.ts';
import { agentOf, apiOf } from '../../lab/world.ts';
import { startTestEntra, type TestEntra } from './entra-fixture.ts';

let test: TestEntra;

beforeAll(async () => {
  test = await startTestEntra();
});
afterAll(() => test.stop());

const open = (clientId: string, credential: WorkloadCredential): (() => Promise<string>) =>
  openWorkload(
    { authority: `${test.entra.authority}/${test.entra.tenant}`, scope: test.entra.scope },
    { clientId, credential },
  );

it('signs a workload in by secret, and keeps its assertion as long as it is good', async () => {
  const { clientId, clientSecret, objectId } = apiOf(test.world, 'api://reports.prod');
  const assertion = open(clientId, { secret: clientSecret });
  const first = await assertion();
  expect(decodeJwt(first)).toMatchObject({ oid: objectId, tid: test.entra.tenant });
  expect(await assertion()).toBe(first);
});

it('signs an agent in by certificate, which the assertion tells', async () => {
  const { clientId, certificate, privateKey } = agentOf(test.world, 'reporting-agent');
  expect(decodeJwt(await open(clientId, { certificate, privateKey })())).toMatchObject({ azpacr: '2' });
});

it('signs an agent in by its pod, without any secret', async () => {
  const { clientId, objectId } = agentOf(test.world, 'support-agent');
  const federated = async (): Promise<string> => {
    const response = await fetch(`${test.entra.authority}/lab/service-account-token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'support-agent' }),
    });
    return ((await response.json()) as { token: string }).token;
  };
  expect(decodeJwt(await open(clientId, { federated })())).toMatchObject({ oid: objectId });
});

it('fails with what Entra says when the secret is wrong', async () => {
  const { clientId } = agentOf(test.world, 'ops-agent');
  await expect(open(clientId, { secret: 'not-the-secret' })()).rejects.toThrow(/AADSTS7000215/);
});
