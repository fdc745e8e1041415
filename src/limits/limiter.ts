/**
 * One limit: so many per key and minute. Replicas count together in Redis; alone, and whenever Redis does not answer,
 * each counts its share in memory. That a key has nothing left is remembered here as well, so that a flood costs
 * neither a round trip nor anything of Redis, and `look` never leaves the process. Nothing here rejects or waits longer
 * than `SharedRedis` does. Windows begin with a key's first count, so two windows' worth can meet at their border.
 */
import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { SharedRedis } from '../storage/redis.ts';
import type { Exceeded } from './exceeded.ts';
import type { LimitName } from './settings.ts';
import { openWindows } from './windows.ts';

export type Limiter = {
  /** Whether this replica knows that nothing is left; counts nothing. */
  readonly look: (key: string) => Exceeded | null;
  /** Takes one, or `cost`; null: there was one left. What costs several may so take more than was left, once. */
  readonly spend: (key: string, cost?: number) => Promise<Exceeded | null>;
  /** Returns what was spent on something that does not count after all. */
  readonly giveBack: (key: string) => void;
};

export type LimiterOptions = {
  readonly name: LimitName;
  /** `Infinity`: without limit. */
  readonly quota: number;
  /** How many processes share the quota where they cannot count together. */
  readonly replicas: number;
  readonly redis: SharedRedis | null;
};

const WINDOW_SECONDS = 60;
/** Keys of one limit held in memory, some 150 bytes each. */
const KEYS_MAX = 50_000;

const UNLIMITED: Limiter = { look: () => null, spend: async () => null, giveBack: () => undefined };

export const openLimiter = ({ name, quota, replicas, redis }: LimiterOptions): Limiter => {
  if (quota === Number.POSITIVE_INFINITY) return UNLIMITED;
  const windows = openWindows({
    milliseconds: WINDOW_SECONDS * 1_000,
    keysMax: KEYS_MAX,
    now: () => performance.now(),
  });
  const share = Math.ceil(quota / replicas);
  const exceededFor = (milliseconds: number | null): Exceeded | null =>
    milliseconds === null
      ? null
      : {
          limit: name,
          quota,
          windowSeconds: WINDOW_SECONDS,
          retryAfterSeconds: Math.max(1, Math.ceil(milliseconds / 1_000)),
        };
  const look = (key: string): Exceeded | null => exceededFor(windows.look(key, share));
  const takeShare = (key: string, cost: number): Exceeded | null =>
    exceededFor(windows.take(key, share, cost));
  if (redis === null)
    return { look, spend: async (key, cost = 1) => takeShare(key, cost), giveBack: windows.giveBack };

  const shared = new RateLimiterRedis({
    storeClient: redis.client,
    keyPrefix: `countersign:limit:${name}`,
    points: quota,
    duration: WINDOW_SECONDS,
  });
  return {
    look,
    spend: async (key, cost = 1) => {
      const known = look(key);
      if (known !== null) return known;
      // `penalty` counts as `consume` does, but answers rather than throws when nothing is left.
      const counted = await redis.ask(() => shared.penalty(key, cost));
      if (counted === null) return takeShare(key, cost);
      if (counted.consumedPoints >= quota) windows.fill(key, counted.msBeforeNext);
      return counted.consumedPoints - cost >= quota ? look(key) : null;
    },
    giveBack: (key) => {
      windows.giveBack(key);
      void redis.ask(() => shared.reward(key));
    },
  };
};
