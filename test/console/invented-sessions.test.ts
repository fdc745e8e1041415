/** Strangers with sessions of their invention: they ask for as much as they like, and shut nobody out. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startConsole, type TestConsole } from './fixture.ts';

const STRANGERS = 64;
const LOADS = 20;

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterAll(() => test.stop());

it('leave those who are signed in every page, the kill switches too', async () => {
  const security = { cookie: await test.signIn(test.people.security) };
  expect((await test.get('/blocks', security)).status).toBe(200);
  let over = false;
  let refused = 0;
  const strangers = Array.from({ length: STRANGERS }, async () => {
    while (!over) {
      const cookie = `countersign_session=${randomBytes(32).toString('base64url')}`;
      const { status } = await test.get('/approvals', { cookie });
      expect([303, 503]).toContain(status);
      if (status === 503) refused += 1;
    }
  });
  const statuses: number[] = [];
  for (let load = 0; load < LOADS; load += 1) statuses.push((await test.get('/blocks', security)).status);
  over = true;
  await Promise.all(strangers);
  expect(statuses).toEqual(Array<number>(LOADS).fill(200));
  expect(refused).toBeGreaterThan(0);
});
