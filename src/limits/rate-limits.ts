/** The limits of one broker, and what is told when one is reached: an event, counted in one per minute, and a metric. */
import type { JsonObject } from '../audit/event.ts';
import type { Refusals } from '../audit/refusals.ts';
import { networkOf } from '../http/network.ts';
import { newRequestId } from '../ids.ts';
import type { LimitReason } from '../reasons/limit.ts';
import type { SharedRedis } from '../storage/redis.ts';
import type { Exceeded } from './exceeded.ts';
import { type Limiter, openLimiter } from './limiter.ts';
import type { LimitName, LimitSettings } from './settings.ts';

/** Who reached a limit, as far as that is proven. */
export type Source = {
  /** What makes two of them one in the trail. */
  readonly key: string;
  readonly traceId: string;
  /** The registered agent; its event gets a request id, since every refusal of an agent has one. */
  readonly agentId?: string;
  readonly data: JsonObject;
};

/** Somebody unknown, told by network. */
export const strangerAt = (address: string, traceId: string): Source => {
  const network = networkOf(address);
  return { key: network, traceId, data: { network } };
};

export type RateLimits = Readonly<Record<Exclude<LimitName, 'open'>, Limiter>> & {
  /** Requests of one agent that may wait for people at a time. */
  readonly openMax: number;
  /** Tells that a limit was reached. The request id of its event, null for whoever is no agent. */
  readonly tell: (exceeded: Exceeded, source: Source) => Promise<string | null>;
};

export type RateLimitsOptions = {
  readonly settings: LimitSettings;
  /** Brokers on this database. */
  readonly replicas: number;
  readonly redis: SharedRedis | null;
  readonly refusals: Refusals;
  /** Counts what was refused for a limit. */
  readonly count: (limit: LimitName) => void;
};

export const openRateLimits = (options: RateLimitsOptions): RateLimits => {
  const { settings, replicas, redis, refusals, count } = options;
  const open = (name: LimitName): Limiter => openLimiter({ name, quota: settings[name], replicas, redis });
  return {
    address: open('address'),
    exchange: open('exchange'),
    miss: open('miss'),
    poll: open('poll'),
    audience: open('audience'),
    report: open('report'),
    introspection: open('introspection'),
    vote: open('vote'),
    sign_in: open('sign_in'),
    openMax: settings.open,
    tell: async (exceeded, { key, traceId, agentId, data }) => {
      const { limit, quota, windowSeconds } = exceeded;
      count(limit);
      const reason: LimitReason = `limit_${limit}`;
      return refusals.tell(`${reason} ${key}`, [
        {
          name: 'ratelimit.tripped',
          traceId,
          ...(agentId !== undefined && { agentId, requestId: newRequestId() }),
          data: { reason, quota, ...(windowSeconds !== null && { window_seconds: windowSeconds }), ...data },
        },
      ]);
    },
  };
};
