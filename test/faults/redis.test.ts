/** Two brokers that count together in Redis, and what is left of it when Redis fails under them (D9). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasRedis, type RedisServer, startRedis } from '../storage/redis-server.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { READ, statusesOf, toldOf } from '../support/throttled.ts';

const QUOTA = 20;
/** Redis is given up after 200 ms; an exchange here takes a few. */
const HANGS_NOBODY_MS = 600;

describe.skipIf(!hasRedis)('limits of two brokers (needs redis-server on PATH)', () => {
  let redis: RedisServer;
  let world: TestWorld;
  beforeAll(async () => {
    redis = await startRedis();
    world = await startWorld({
      brokers: 2,
      environment: {
        COUNTERSIGN_REDIS: redis.url,
        COUNTERSIGN_REPLICAS: '2',
        COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1',
        COUNTERSIGN_RATE_LIMITS: `exchange=${QUOTA},address=${QUOTA},miss=off`,
      },
    });
  });
  afterAll(async () => {
    await world.stop();
    await redis.stop();
  });

  const ask = async (
    count: number,
    subject_token: string,
    from = '192.0.2.1',
  ): Promise<{ answers: Answer[]; slowest: number }> => {
    let slowest = 0;
    const answers = await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const asked = performance.now();
        const port = world.brokers[n % 2]?.port ?? 0;
        const answer = await world.exchange(
          { ...READ, subject_token, request_id: `n-${n}` },
          { port, headers: { 'x-forwarded-for': from } },
        );
        slowest = Math.max(slowest, performance.now() - asked);
        return answer;
      }),
    );
    return { answers, slowest };
  };
  const count = (answers: readonly Answer[], status: number): number =>
    statusesOf(answers).filter((met) => met === status).length;

  it('are one limit for both, of agents and of addresses', async () => {
    const { answers } = await ask(2 * QUOTA, await world.assertion('support-agent'));
    expect([count(answers, 200), count(answers, 429)]).toEqual([QUOTA, QUOTA]);
    const bad = await ask(2 * QUOTA, 'bad', '192.0.2.2');
    expect([count(bad.answers, 400), count(bad.answers, 429)]).toEqual([QUOTA, QUOTA]);
    expect(await toldOf(world)).toMatchObject({ body: { reason: 'limit_exchange', quota: QUOTA } });
  });

  it.each([
    ['stalled', 'reporting-agent', () => redis.pause(), () => redis.resume()],
    ['gone', 'ops-agent', () => redis.stop(), () => redis.start()],
  ] as const)(
    'are shared out between them while Redis is %s; no exchange fails or hangs',
    async (_, agent, fail, recover) => {
      const subject_token = await world.assertion(agent);
      await fail();
      const { answers, slowest } = await ask(2 * QUOTA, subject_token);
      await recover();
      expect(count(answers, 429)).toBe(QUOTA);
      expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
      expect(slowest).toBeLessThan(HANGS_NOBODY_MS);
    },
  );
});
