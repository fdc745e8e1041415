import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Coordination, openCoordination, paceInMemory } from '../../src/storage/coordination.ts';
import { openRedis, type SharedRedis } from '../../src/storage/redis.ts';
import { hasRedis, type RedisServer, startRedis } from './redis-server.ts';

let logged = '';
const logger = pino(
  new Writable({
    write: (line: Buffer, _, done) => {
      logged += line;
      done();
    },
  }),
);

let seconds = 1_000_000;
const clock = () => new Date(seconds * 1_000);

/** [seconds since the opening, early, interval]: what each repeat meets. */
type Repeats = readonly (readonly [number, boolean, number])[];
const CASES: readonly (readonly [string, Repeats])[] = [
  [
    'repeats at the interval go on',
    [
      [5, false, 5],
      [10, false, 5],
      [15.5, false, 5],
    ],
  ],
  ['a first repeat after 2 s and before the interval is early', [[2.001, true, 10]]],
  [
    'the first repeat within 2 s of the opening is none',
    [
      [0, false, 5],
      [5, false, 5],
    ],
  ],
  [
    'and moves nothing: the next counts from the opening',
    [
      [1.9, false, 5],
      [4.9, true, 10],
    ],
  ],
  [
    'only the first one',
    [
      [0.1, false, 5],
      [0.2, true, 10],
    ],
  ],
  [
    'an early repeat counts as the one before',
    [
      [4, true, 10],
      [10, true, 15],
      [25, false, 15],
    ],
  ],
  [
    'a longer interval stays',
    [
      [4, true, 10],
      [14, false, 10],
      [20, true, 15],
    ],
  ],
  [
    'the interval ends at 60 s',
    [
      ...Array.from({ length: 11 }, (_, n) => [3 + n, true, 10 + 5 * n] as const),
      [14, true, 60],
      [15, true, 60],
      [75, false, 60],
    ],
  ],
  [
    'two minutes of silence are forgotten',
    [
      [4, true, 10],
      [125, false, 5],
    ],
  ],
];

let nextKey = 0;
const freshKey = (): string => {
  nextKey += 1;
  return `areq_${nextKey} uti`;
};

const meets = async ({ pace }: Coordination, repeats: Repeats, key = freshKey()): Promise<void> => {
  const opened = seconds;
  expect(await pace(key, true)).toEqual({ early: false, intervalSeconds: 5 });
  const met: [number, boolean, number][] = [];
  for (const [at] of repeats) {
    seconds = opened + at;
    const { early, intervalSeconds } = await pace(key, false);
    met.push([at, early, intervalSeconds]);
  }
  expect(met).toEqual(repeats);
};

describe('pace in memory', () => {
  const coordination = openCoordination({ redis: null, clock });

  it.each(CASES)('%s', (_, repeats) => meets(coordination, repeats));

  it('counts each key by itself, and a key that it does not know from its first repeat', async () => {
    const [one, other] = [freshKey(), freshKey()];
    await coordination.pace(one, true);
    expect(await coordination.pace(other, false)).toEqual({ early: false, intervalSeconds: 5 });
    expect(await coordination.pace(other, false)).toEqual({ early: true, intervalSeconds: 10 });
  });

  it('keeps no more keys than its bound: the quietest is forgotten first', () => {
    const pace = paceInMemory(clock, 2);
    for (const key of ['busy', 'quiet', 'busy', 'new']) pace(key, false);
    expect(pace('busy', false).early).toBe(true);
    expect(pace('quiet', false).early).toBe(false);
  });
});

if (!hasRedis && process.env.CI === 'true') throw new Error('redis-server must be on PATH in CI');

describe.skipIf(!hasRedis)('pace through Redis (needs redis-server on PATH)', () => {
  let server: RedisServer;
  let open: SharedRedis[] = [];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    for (const redis of open) await redis.close();
    open = [];
  });

  const connected = async (given: { clock?: typeof clock } = { clock }): Promise<Coordination> => {
    const redis = openRedis(server.url, logger);
    open.push(redis);
    return openCoordination({ redis, ...given });
  };
  const inspect = async <T>(work: (redis: Redis) => Promise<T>): Promise<T> => {
    const redis = new Redis(server.url);
    try {
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  };
  /** Resolves once what it counts is in Redis. */
  const untilShared = async ({ pace }: Coordination): Promise<void> => {
    for (;;) {
      const key = freshKey();
      await pace(key, true);
      if ((await inspect((redis) => redis.exists(`countersign:pace:${key}`))) === 1) return;
      await sleep(50);
    }
  };

  // All but the last: there Redis forgets by its own clock.
  it.each(CASES.slice(0, -1))('%s', async (_, repeats) => {
    const coordination = await connected();
    await untilShared(coordination);
    await meets(coordination, repeats);
  });

  it('is one for two replicas, by the clock of Redis', async () => {
    const [one, other] = [await connected({}), await connected({})];
    await untilShared(one);
    await untilShared(other);
    const key = freshKey();
    await one.pace(key, true);
    expect(await other.pace(key, false)).toEqual({ early: false, intervalSeconds: 5 });
    expect(await one.pace(key, false)).toEqual({ early: true, intervalSeconds: 10 });
    expect(await other.pace(key, false)).toEqual({ early: true, intervalSeconds: 15 });
  });

  it('counts every one of simultaneous repeats', async () => {
    const [one, other] = [await connected(), await connected()];
    await untilShared(one);
    await untilShared(other);
    const key = freshKey();
    await one.pace(key, true);
    seconds += 3;
    const met = await Promise.all([one, other, one, other, one, other].map(({ pace }) => pace(key, false)));
    expect(met.map(({ intervalSeconds }) => intervalSeconds).sort((a, b) => a - b)).toEqual([
      10, 15, 20, 25, 30, 35,
    ]);
  });

  it('leaves keys that end by themselves', async () => {
    const coordination = await connected();
    await untilShared(coordination);
    const lives = await inspect(async (redis) => {
      const keys = await redis.keys('*');
      return Promise.all(keys.map((key) => redis.pttl(key)));
    });
    expect(lives.length).toBeGreaterThan(0);
    for (const milliseconds of lives)
      expect(milliseconds).toSatisfy((life: number) => life > 0 && life <= 120_000);
  });

  it.each([
    ['stalled', () => server.pause(), () => server.resume()],
    ['down', () => server.stop(), () => server.start()],
  ])('goes on in memory within 300 ms while Redis is %s, and returns to it', async (_, fail, recover) => {
    const coordination = await connected();
    await untilShared(coordination);
    await fail();
    const key = freshKey();
    const asked = performance.now();
    const met = [];
    for (const opening of [true, false, false]) met.push(await coordination.pace(key, opening));
    expect(performance.now() - asked).toBeLessThan(3_000);
    expect(met).toEqual([
      { early: false, intervalSeconds: 5 },
      { early: false, intervalSeconds: 5 },
      { early: true, intervalSeconds: 10 },
    ]);
    await recover();
    await untilShared(coordination);
  });

  it('works from the start without Redis, and never tells its password', async () => {
    await server.stop();
    const coordination = await connected();
    await meets(coordination, [[5, false, 5]]);
    await server.start();
    await untilShared(coordination);
    expect(logged).toContain('Redis is unavailable');
    expect(logged).toContain('Redis is available again');
    expect(logged).not.toContain('canary');
  });
});
