/** The shipped rule that takes two people: what the agent meets before, between and after their votes. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const ask = async () =>
  world.exchange({
    subject_token: await world.assertion('ops-agent'),
    audience: 'api://operations.prod',
    scope: 'database.restore',
    request_id: 'restore',
  });

it('waits for the second of two different people, neither of whom owns the agent', async () => {
  const requestId = (await ask()).body.request_id;
  expect(await world.vote(requestId, 'approve', 'approver')).toEqual({ outcome: 'counted' });
  expect((await ask()).body.error).toBe('authorization_pending');
  expect(await world.vote(requestId, 'approve', 'approver')).toEqual({ refused: 'already_voted' });
  expect(await world.vote(requestId, 'approve', 'owner')).toEqual({ refused: 'owner' });
  expect(await world.vote(requestId, 'approve', 'second-approver')).toEqual({ outcome: 'approved' });
  expect(await ask()).toMatchObject({ status: 200, body: { scope: 'database.restore' } });
});
