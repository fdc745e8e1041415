/**
 * The one connection to Redis, for whatever replicas only count together. It is never the truth and nobody waits for
 * it: what cannot be asked within `COMMAND_TIMEOUT_MS` is answered with null, and from then on at once with null,
 * until a write of our own, made beside the requests, has shown that Redis takes writes again.
 */
import { Redis } from 'ioredis';
import type { Logger } from 'pino';

export type SharedRedis = {
  readonly client: Redis;
  /** What `command` answers; null if Redis does not, in time. Never rejects. */
  readonly ask: <T>(command: (client: Redis) => Promise<T>) => Promise<T | null>;
  readonly close: () => Promise<void>;
};

const COMMAND_TIMEOUT_MS = 200;
/** Pause between two looks at a Redis that failed. */
const PAUSE_MS = 1_000;
const RECONNECT_MAX_MS = 2_000;
/** A full Redis answers PING and refuses writes. */
const PROBE_KEY = 'countersign:probe';
const PROBE_SECONDS = 60;

/** Redis need not be there: connecting is tried for ever, and nothing waits for it. */
export const openRedis = (url: string, logger: Logger): SharedRedis => {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: 1_000,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(attempt * 100, RECONNECT_MAX_MS),
  });
  let isDown = false;
  let isProbing = false;
  let pausedUntil = 0;

  /** Errors of Redis carry the command, and with it a password: only their message is told. */
  const down = (error: unknown): void => {
    pausedUntil = performance.now() + PAUSE_MS;
    if (!isDown) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'Redis is unavailable; each replica counts by itself');
    }
    isDown = true;
  };
  const up = (): void => {
    if (isDown) logger.info('Redis is available again');
    isDown = false;
  };
  const probe = async (): Promise<void> => {
    if (isProbing || client.status !== 'ready' || performance.now() < pausedUntil) return;
    isProbing = true;
    await client.set(PROBE_KEY, '', 'EX', PROBE_SECONDS).then(up, down);
    isProbing = false;
  };
  client.on('error', down);

  return {
    client,
    ask: async (command) => {
      if (isDown) void probe();
      if (isDown || client.status !== 'ready') return null;
      try {
        return await command(client);
      } catch (error) {
        down(error);
        return null;
      }
    },
    close: async () => client.disconnect(),
  };
};
