/** Limits while the database is away: what cannot be told fails like everything else, and takes nothing down with it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { startPrivateDatabase } from '../support/database.ts';
import { READ, repeat, statusesOf } from '../support/throttled.ts';

let database: Awaited<ReturnType<typeof startPrivateDatabase>>;
let world: TestWorld;
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);

beforeAll(async () => {
  process.on('unhandledRejection', note);
  database = await startPrivateDatabase();
  world = await startWorld({
    brokers: 2,
    environment: {
      COUNTERSIGN_DATABASE: database.applicationDsn,
      COUNTERSIGN_RATE_LIMITS: 'exchange=3,audience=3,miss=1,address=1',
    },
  });
});
afterAll(async () => {
  await world.stop();
  await database.remove();
  process.off('unhandledRejection', note);
});

it('an agent over its limit is told 503 or 429, and the broker goes on', { timeout: 60_000 }, async () => {
  const subject_token = await world.assertion('support-agent');
  const parameters = { ...READ, subject_token };
  expect(statusesOf(await repeat(3, () => world.exchange(parameters)))).toEqual([200, 200, 200]);
  await database.stop();
  const others = { port: world.brokers[1]?.port ?? 0 };
  const crowd = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      n % 2 === 0 ? world.exchange(parameters) : world.exchange(parameters, others),
    ),
  );
  expect(statusesOf(crowd).every((status) => status === 503 || status === 429)).toBe(true);
  expect(unhandled).toEqual([]);
  await database.start();
  await expect.poll(async () => (await world.exchange(parameters)).status, { timeout: 10_000 }).toBe(429);
});
