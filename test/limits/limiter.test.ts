/** One limit alone and through a real Redis: shared, down, stalled, full and emptied (D9). */
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Exceeded } from '../../src/limits/exceeded.ts';
import { type Limiter, openLimiter } from '../../src/limits/limiter.ts';
import { openRedis, type SharedRedis } from '../../src/storage/redis.ts';
import { hasRedis, type RedisServer, startRedis } from '../storage/redis-server.ts';

const logger = pino({ enabled: false });

let keys = 0;
const freshKey = (): string => {
  keys += 1;
  return `key-${keys}`;
};

/** How many of `times` there were. */
const allowed = async (limiter: Limiter, key: string, times: number): Promise<number> => {
  let count = 0;
  for (let n = 0; n < times; n += 1) if ((await limiter.spend(key)) === null) count += 1;
  return count;
};

const alone = (replicas = 1, quota = 10): Limiter =>
  openLimiter({ name: 'exchange', quota, replicas, redis: null });

describe('a limit without Redis', () => {
  it('is the share of one replica, rounded up', async () => {
    expect(await allowed(alone(1), 'a', 20)).toBe(10);
    expect(await allowed(alone(3), 'a', 20)).toBe(4);
    expect(await allowed(alone(1_000), 'a', 20)).toBe(1);
  });

  it('is none when it is switched off', async () => {
    const limiter = alone(1, Number.POSITIVE_INFINITY);
    expect(await allowed(limiter, 'a', 1_000)).toBe(1_000);
    expect(limiter.look('a')).toBeNull();
  });

  it('lets what costs several pass while anything is left, and nothing after it', async () => {
    const limiter = alone();
    expect(await limiter.spend('a', 9)).toBeNull();
    expect(await limiter.spend('a', 100)).toBeNull();
    expect(await limiter.spend('a')).not.toBeNull();
  });

  it('counts callers at one instant one by one', async () => {
    const limiter = alone();
    const met = await Promise.all(Array.from({ length: 50 }, () => limiter.spend('a')));
    expect(met.filter((exceeded) => exceeded === null)).toHaveLength(10);
    expect(met.at(-1)).toEqual({
      limit: 'exchange',
      quota: 10,
      windowSeconds: 60,
      retryAfterSeconds: 60,
    } satisfies Exceeded);
  });
});

if (!hasRedis && process.env.CI === 'true') throw new Error('redis-server must be on PATH in CI');

describe.skipIf(!hasRedis)('a limit through Redis (needs redis-server on PATH)', () => {
  let server: RedisServer;
  let opened: SharedRedis[] = [];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    for (const redis of opened) await redis.close();
    opened = [];
  });

  const untilAsked = async (redis: SharedRedis): Promise<void> => {
    while ((await redis.ask((client) => client.ping())) !== 'PONG') await new Promise(setImmediate);
  };
  const replica = async (quota = 10): Promise<{ limiter: Limiter; redis: SharedRedis }> => {
    const redis = openRedis(server.url, logger);
    opened.push(redis);
    await untilAsked(redis);
    return { limiter: openLimiter({ name: 'exchange', quota, replicas: 2, redis }), redis };
  };

  it('lets what costs several pass while anything is left, and nothing after it, at any replica', async () => {
    const [one, other] = [await replica(), await replica()];
    const key = freshKey();
    expect(await one.limiter.spend(key, 9)).toBeNull();
    expect(await other.limiter.spend(key, 100)).toBeNull();
    expect(await one.limiter.spend(key)).not.toBeNull();
    expect(await other.limiter.spend(key)).not.toBeNull();
  });

  it('is one for two replicas, whoever counts and however many at one instant', async () => {
    const [one, other] = [await replica(), await replica()];
    const key = freshKey();
    const met = await Promise.all(
      Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? one : other).limiter.spend(key)),
    );
    expect(met.filter((exceeded) => exceeded === null)).toHaveLength(10);
    expect(met.at(-1)?.retryAfterSeconds).toBeLessThanOrEqual(60);
    expect(await one.limiter.spend(freshKey())).toBeNull();
  });

  it('is known here once it is reached, so that a flood costs Redis nothing', async () => {
    const { limiter, redis } = await replica(3);
    const key = freshKey();
    expect(await allowed(limiter, key, 3)).toBe(3);
    expect(limiter.look(key)?.limit).toBe('exchange');
    await allowed(limiter, key, 100);
    expect(await redis.client.get(`countersign:limit:exchange:${key}`)).toBe('3');
  });

  it('takes back what is given back', async () => {
    const [one, other] = [await replica(2), await replica(2)];
    const key = freshKey();
    expect(await allowed(one.limiter, key, 2)).toBe(2);
    one.limiter.giveBack(key);
    await untilAsked(one.redis);
    expect(await allowed(other.limiter, key, 5)).toBe(1);
  });

  it('leaves keys that end by themselves', async () => {
    const { limiter, redis } = await replica();
    const [spent, returned] = [freshKey(), freshKey()];
    await limiter.spend(spent);
    limiter.giveBack(returned);
    for (const key of [spent, returned]) {
      const life = await redis.client.pttl(`countersign:limit:exchange:${key}`);
      expect(life).toSatisfy((milliseconds: number) => milliseconds > 0 && milliseconds <= 60_000);
    }
  });

  it.each([
    ['stalled', () => server.pause(), () => server.resume()],
    ['down', () => server.stop(), () => server.start()],
  ])(
    'is the share of one replica while Redis is %s, hangs nobody, and is shared again after it',
    async (_, fail, recover) => {
      const [one, other] = [await replica(), await replica()];
      await fail();
      const key = freshKey();
      for (const { limiter } of [one, other]) {
        const asked = performance.now();
        const met = await Promise.all(Array.from({ length: 50 }, () => limiter.spend(key)));
        expect(performance.now() - asked).toBeLessThan(300);
        expect(met.filter((exceeded) => exceeded === null)).toHaveLength(5);
      }
      const again = performance.now();
      for (let n = 0; n < 50; n += 1) await one.limiter.spend(freshKey());
      expect(performance.now() - again).toBeLessThan(300);
      await recover();
      await untilAsked(one.redis);
      await untilAsked(other.redis);
      const shared = freshKey();
      const counts = [await allowed(one.limiter, shared, 7), await allowed(other.limiter, shared, 7)];
      expect(counts).toEqual([7, 3]);
    },
  );

  it('goes on when Redis is emptied, and when it is full', async () => {
    const { limiter, redis } = await replica();
    const key = freshKey();
    expect(await allowed(limiter, key, 6)).toBe(6);
    await redis.client.flushall();
    await redis.client.script('FLUSH');
    expect(await allowed(limiter, key, 20)).toBe(10);
    await redis.client.config('SET', 'maxmemory', '1');
    const full = freshKey();
    expect(await allowed(limiter, full, 20)).toBe(5);
    await redis.client.config('SET', 'maxmemory', '0');
  });
});
