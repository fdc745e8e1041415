/**
 * What replicas tell one another without the database: how often a pending request is repeated. In memory for one
 * process; through Redis for several, and in memory again while Redis is down. It is never the truth: losing all of
 * it makes nobody wait longer and lets nobody in, so no call here fails or waits for a Redis that does not answer.
 */
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import type { SharedRedis } from './redis.ts';

export type Pace = {
  /** The repeat came sooner than the interval after the one before: `slow_down` (RFC 8628 section 3.5). */
  readonly early: boolean;
  /** How long to wait before the next repeat, seconds. */
  readonly intervalSeconds: number;
};

export type Coordination = {
  /** Counts a request that is now pending under `key`; `opening`: this call opened it, so it is no repeat. */
  readonly pace: (key: string, opening: boolean) => Promise<Pace>;
};

/** RFC 8628 section 3.2: the interval when nothing else is said; section 3.5: what an early repeat adds. */
export const INTERVAL_SECONDS = 5;
const INTERVAL_STEP_SECONDS = 5;
const INTERVAL_MAX_SECONDS = 60;
/** Clients that try HTTP Basic first repeat at once in the form; that first repeat is none. */
const GRACE_MS = 2_000;
/** Forgotten after two of the longest intervals: whoever comes back then is not in a hurry. */
const FORGET_AFTER_MS = 2 * INTERVAL_MAX_SECONDS * 1_000;
/** Keys held in memory, some 200 bytes each; beyond it the one that was quiet longest is forgotten. */
const KEYS_MAX = 50_000;

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

/**
 * Through Redis, or in the memory of this process without one or while it does not answer. `clock` replaces the clock
 * of the system and of Redis.
 */
export const openCoordination = (options: {
  readonly redis: SharedRedis | null;
  readonly clock?: Clock;
}): Coordination => {
  const { redis, clock } = options;
  const alone = paceInMemory(clock ?? systemClock);
  if (redis === null) return { pace: async (key, opening) => alone(key, opening) };
  return {
    pace: async (key, opening) => {
      const now = clock?.().getTime() ?? '';
      const answer = await redis.ask((client) =>
        client.eval(PACE, 1, `countersign:pace:${key}`, opening ? '1' : '0', now),
      );
      if (answer === null) return alone(key, opening);
      const [early, intervalSeconds] = answer as [number, number];
      return { early: early === 1, intervalSeconds };
    },
  };
};
