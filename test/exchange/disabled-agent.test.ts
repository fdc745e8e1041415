/** An agent that is disabled stops at once, on every replica, whatever it had before (T50). */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { changeAgent } from '../support/change-registry.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld({ brokers: 2 });
});
afterAll(() => world.stop());

it('gets nothing for what was approved or waits, with an assertion that is still good', async () => {
  const subject_token = await world.assertion('reporting-agent');
  const asked = { audience: 'api://reports.prod', scope: 'payroll.export', subject_token };
  const ask = (request_id: string, broker: number) =>
    world.exchange({ ...asked, request_id }, { port: world.brokers[broker]?.port ?? 0 });
  const approved = (await ask('approved', 0)).body.request_id;
  await world.vote(approved, 'approve');
  expect((await ask('approved', 0)).status).toBe(200);
  expect((await ask('waits', 0)).body.error).toBe('authorization_pending');
  await changeAgent(world, 'reporting-agent', { enabled: false });
  for (const broker of [0, 1]) {
    for (const request_id of ['approved', 'waits', 'new']) {
      const { status, body } = await ask(request_id, broker);
      expect([status, body.error]).toEqual([400, 'access_denied']);
    }
  }
  expect(
    (
      await world.exchange({
        audience: 'api://knowledge.prod',
        scope: 'articles.read',
        subject_token: await world.assertion('support-agent'),
      })
    ).status,
  ).toBe(200);
  await checkPromises(world.database);
});
