/**
 * What replicas tell one another without the database: how often a pending request is repeated. In memory for one
 * process; through Redis for several, and in memory again while Redis is down. It is never the truth: losing all of
 * it makes nobody wait longer and lets nobody in, so no call here fails or takes longer than `COMMAND_TIMEOUT_MS`.
 */
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';

export type Pace = {
  /** The repeat came sooner than the interval after the one before: `slow_down` (RFC 8628 section 3.5). */
  readonly early: boolean;
  /** How long to wait before the next repeat, seconds. */
  readonly intervalSeconds: number;
};

export type Coordination = {
  /** Counts a request that is now pending under `key`; `opening`: this call opened it, so it is no repeat. */
  readonly pace: (key: string, opening: boolean) => Promise<Pace>;
  readonly close: () => Promise<void>;
};

/** RFC 8628 section 3.2: the interval when nothing else is said; section 3.5: what an early repeat adds. */
const INTERVAL_SECONDS = 5;
const INTERVAL_STEP_SECONDS = 5;
const INTERVAL_MAX_SECONDS = 60;
/** Clients that try HTTP Basic first repeat at once in the form; that first repeat is none. */
const GRACE_MS = 2_000;
/** Forgotten after two of the longest intervals: whoever comes back then is not in a hurry. */
const FORGET_AFTER_MS = 2 * INTERVAL_MAX_SECONDS * 1_000;
/** Keys held in memory, some 200 bytes each; beyond it the one that was quiet longest is forgotten. */
const KEYS_MAX = 50_000;
const COMMAND_TIMEOUT_MS = 200;
/** After a failure Redis is left alone so long, so that a stalled one does not slow every repeat. */
const PAUSE_MS = 1_000;
const RECONNECT_MAX_MS = 2_000;

/** `at`: the last repeat that counted; `graceUntil`: until when the next one does not. Milliseconds. */
type Known = { readonly at: number; readonly intervalSeconds: number; readonly graceUntil: number };

const openingAt = (now: number): Known => ({
  at: now,
  intervalSeconds: INTERVAL_SECONDS,
  graceUntil: now + GRACE_MS,
});

/** The same as `PACE` below. */
const repeat = (
  before: Known | undefined,
  now: number,
): { readonly after: Known; readonly early: boolean } => {
  if (before === undefined) return { after: { ...openingAt(now), graceUntil: 0 }, early: false };
  if (now <= before.graceUntil) return { after: { ...before, graceUntil: 0 }, early: false };
  const early = now - before.at < before.intervalSeconds * 1_000;
  const intervalSeconds = early
    ? Math.min(before.intervalSeconds + INTERVAL_STEP_SECONDS, INTERVAL_MAX_SECONDS)
    : before.intervalSeconds;
  return { after: { at: now, intervalSeconds, graceUntil: 0 }, early };
};

type PaceNow = (key: string, opening: boolean) => Pace;

/** `keysMax` bounds the memory. The map is in the order of the last touch, so that the front is what to forget. */
export const paceInMemory = (clock: Clock, keysMax = KEYS_MAX): PaceNow => {
  const records = new Map<string, Known & { readonly touched: number }>();
  const forget = (now: number): void => {
    for (const [key, { touched }] of records) {
      if (records.size <= keysMax && now - touched < FORGET_AFTER_MS) return;
      records.delete(key);
    }
  };
  return (key, opening) => {
    const now = clock().getTime();
    forget(now);
    const { after, early } = opening
      ? { after: openingAt(now), early: false }
      : repeat(records.get(key), now);
    records.delete(key);
    records.set(key, { ...after, touched: now });
    return { early, intervalSeconds: after.intervalSeconds };
  };
};

/** One step, atomically. Without a time of its own it goes by Redis' clock, which replicas have in common. */
const PACE = `
local now = tonumber(ARGV[2])
if now == nil then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local before = redis.call('HMGET', KEYS[1], 'at', 'interval', 'grace')
local at, interval, grace, early = tonumber(before[1]), tonumber(before[2]), tonumber(before[3]), 0
if ARGV[1] == '1' then
  at, interval, grace = now, ${INTERVAL_SECONDS}, now + ${GRACE_MS}
elseif at == nil then
  at, interval, grace = now, ${INTERVAL_SECONDS}, 0
elseif now <= grace then
  grace = 0
else
  if now - at < interval * 1000 then
    early = 1
    interval = math.min(interval + ${INTERVAL_STEP_SECONDS}, ${INTERVAL_MAX_SECONDS})
  end
  at, grace = now, 0
end
redis.call('HSET', KEYS[1], 'at', at, 'interval', interval, 'grace', grace)
redis.call('PEXPIRE', KEYS[1], ${FORGET_AFTER_MS})
return {early, interval}`;

const throughRedis = (url: string, logger: Logger, clock: Clock | undefined): Coordination => {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: 1_000,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(attempt * 100, RECONNECT_MAX_MS),
  });
  const alone = paceInMemory(clock ?? systemClock);
  let isDown = false;
  let pausedUntil = 0;
  /** Errors of Redis carry the command, and with it a password: only their message is told. */
  const down = (error: unknown): void => {
    if (!isDown) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'Redis is unavailable; each replica counts the pace of repeats by itself');
    }
    isDown = true;
  };
  const up = (): void => {
    if (isDown) logger.info('Redis is available again');
    isDown = false;
  };
  redis.on('error', down);

  const pace = async (key: string, opening: boolean): Promise<Pace> => {
    if (redis.status !== 'ready' || performance.now() < pausedUntil) return alone(key, opening);
    try {
      const now = clock?.().getTime() ?? '';
      const answer = await redis.eval(PACE, 1, `countersign:pace:${key}`, opening ? '1' : '0', now);
      const [early, intervalSeconds] = answer as [number, number];
      up();
      return { early: early === 1, intervalSeconds };
    } catch (error) {
      down(error);
      pausedUntil = performance.now() + PAUSE_MS;
      return alone(key, opening);
    }
  };
  return { pace, close: async () => redis.disconnect() };
};

/**
 * Through the Redis at `redisUrl`, or in the memory of this process if there is none. `clock` replaces the clock of
 * the system and of Redis. Redis need not be there: connecting is tried for ever, and nothing waits for it.
 */
export const openCoordination = (options: {
  readonly redisUrl: string | null;
  readonly logger: Logger;
  readonly clock?: Clock;
}): Coordination => {
  const { redisUrl, logger, clock } = options;
  if (redisUrl !== null) return throughRedis(redisUrl, logger, clock);
  const paceNow = paceInMemory(clock ?? systemClock);
  return { pace: async (key, opening) => paceNow(key, opening), close: async () => undefined };
};
