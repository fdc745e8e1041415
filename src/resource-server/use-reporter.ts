/**
 * Tells the broker how its tokens were used (`POST {issuer}/token-use`), so that a trace ends where the action
 * happened. Reporting must never slow or break the API: `report` only puts into a bounded queue, equal uses are
 * counted in one entry, and an outage of the broker, or its limit, costs memory up to the bound and nothing else. A batch keeps its
 * event ids until the broker acknowledges it, so a lost answer does not count a use twice.
 */
import { randomBytes } from 'node:crypto';
import type { RefusalReason } from './refusal.ts';

/** One use of a token of this API. */
export type TokenUse = {
  /** The token's `jti`. */
  readonly tokenId: string;
  readonly outcome: 'allowed' | 'refused';
  /** The HTTP status that the API answered. */
  readonly status: number;
  /** Why it was refused. */
  readonly reason?: RefusalReason;
  /** When it was; now, if it is not said. Equal uses that wait together are told with the first time. */
  readonly at?: Date;
};

export type UseReporterOptions = {
  /** The broker. */
  readonly issuer: string;
  /** The API's own Entra assertion for the broker, fresh at each call (MSAL caches it). */
  readonly credential: () => Promise<string>;
  /** Told when uses are lost or cannot be delivered; text for a log. */
  readonly onProblem?: (problem: string, cause?: unknown) => void;
  readonly fetch?: typeof fetch;
  /** How long uses are collected before they are sent; 1,000 by default. */
  readonly intervalMs?: number;
  /** Most different uses that wait; beyond it new ones are dropped and counted. 10,000 by default. */
  readonly capacity?: number;
  /** Pause after the first failed delivery, doubled by each further one up to 30 s; 1,000 by default. */
  readonly retryMs?: number;
  /** Milliseconds since the epoch; for tests. */
  readonly now?: () => number;
};

export type UseReporter = {
  /** Queues one use. Never throws, never waits. */
  readonly report: (use: TokenUse) => void;
  /** Sends all that waits; resolves when it is delivered or the first delivery failed. */
  readonly flush: () => Promise<void>;
  /** Sends what waits once more and ends; what cannot be delivered then is lost and told. */
  readonly stop: () => Promise<void>;
};

/** An element of the body of `/token-use`, in wire spelling. */
type Entry = {
  readonly event_id: string;
  readonly jti: string;
  readonly outcome: 'allowed' | 'refused';
  readonly status: number;
  readonly reason?: RefusalReason;
  readonly at: string;
  count: number;
};

type Delivery = 'delivered' | 'refused' | { readonly retryAfterMs: number };

const INTERVAL_MS = 1_000;
const CAPACITY = 10_000;
/** Uses in one report; the broker takes no more than 200. */
const BATCH_SIZE = 100;
/** Equal uses in one entry; the broker takes no more. */
const COUNT_MAX = 100_000;
const RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** As long as the broker's limits last: however much later it says to come back, it is asked then. */
const RETRY_AFTER_MAX_MS = 60_000;
const SEND_TIMEOUT_MS = 3_000;

/** Answers that time, a new assertion or a recovered broker may change; any other 4xx means that the batch is wrong. */
const isTransient = (status: number): boolean => status >= 500 || [401, 408, 421, 425, 429].includes(status);

/** When the broker says to come back (RFC 9110 section 10.2.3, in seconds as it does); 0 if it does not say. */
const retryAfterMsOf = ({ headers }: Response): number => {
  const seconds = /^\d{1,9}$/.exec(headers.get('retry-after') ?? '')?.[0] ?? '0';
  return Math.min(Number(seconds) * 1_000, RETRY_AFTER_MAX_MS);
};

/** Starts a reporter. Its timers do not keep the process alive; `stop` it to deliver what waits. */
export const createUseReporter = (options: UseReporterOptions): UseReporter => {
  const now = options.now ?? Date.now;
  const send = options.fetch ?? fetch;
  const capacity = options.capacity ?? CAPACITY;
  const onProblem = options.onProblem ?? (() => {});
  const waiting = new Map<string, Entry>();
  let batch: readonly Entry[] = [];
  let flushing: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let failures = 0;
  let retryAfterMs = 0;
  let dropped = 0;
  let stopped = false;

  const deliver = async (entries: readonly Entry[]): Promise<Delivery> => {
    try {
      const response = await send(`${options.issuer}/token-use`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await options.credential()}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(entries),
        redirect: 'error',
        signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
      });
      await response.body?.cancel();
      if (response.ok) return 'delivered';
      onProblem(`the broker answered a report of token uses with status ${response.status}`);
      return isTransient(response.status) ? { retryAfterMs: retryAfterMsOf(response) } : 'refused';
    } catch (cause) {
      onProblem('token uses could not be reported', cause);
      return { retryAfterMs: 0 };
    }
  };

  const takeBatch = (): readonly Entry[] => {
    const taken = [...waiting].slice(0, BATCH_SIZE);
    for (const [key] of taken) waiting.delete(key);
    return taken.map(([, entry]) => entry);
  };

  const flushAll = async (): Promise<void> => {
    for (;;) {
      if (batch.length === 0) batch = takeBatch();
      if (batch.length === 0) return;
      const delivery = await deliver(batch);
      if (typeof delivery === 'object') {
        failures += 1;
        retryAfterMs = delivery.retryAfterMs;
        return;
      }
      if (delivery === 'refused') onProblem(`${batch.length} reports of token uses are lost: refused`);
      batch = [];
      failures = 0;
    }
  };

  const unschedule = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
  };

  const flush = (): Promise<void> => {
    unschedule();
    flushing ??= flushAll().finally(() => {
      flushing = null;
      schedule();
    });
    return flushing;
  };

  const schedule = (): void => {
    if (stopped || timer !== null || (waiting.size === 0 && batch.length === 0)) return;
    const retry = Math.min((options.retryMs ?? RETRY_MS) * 2 ** (failures - 1), LAST_RETRY_MS);
    timer = setTimeout(
      () => {
        timer = null;
        void flush();
      },
      failures === 0 ? (options.intervalMs ?? INTERVAL_MS) : Math.max(retry, retryAfterMs),
    );
    timer.unref();
  };

  const report = ({ tokenId, outcome, status, reason, at = new Date(now()) }: TokenUse): void => {
    const key = `${outcome} ${status} ${reason} ${tokenId}`;
    const equal = waiting.get(key);
    if (equal !== undefined && equal.count < COUNT_MAX) {
      equal.count += 1;
      return;
    }
    if (stopped || waiting.size >= capacity) {
      if (dropped === 0) onProblem('token uses are being dropped: the queue is full or stopped');
      dropped += 1;
      return;
    }
    // A full one waits under its own name, and another takes its place.
    if (equal !== undefined) waiting.set(equal.event_id, equal);
    const event_id = `use_${randomBytes(16).toString('base64url')}`;
    waiting.set(key, {
      event_id,
      jti: tokenId,
      outcome,
      status,
      ...(reason !== undefined && { reason }),
      at: at.toISOString(),
      count: 1,
    });
    if (flushing === null) schedule();
  };

  const stop = async (): Promise<void> => {
    stopped = true;
    unschedule();
    // The flush under way may have begun before the last uses came.
    await flushing;
    await flush();
    const lost = waiting.size + batch.length + dropped;
    if (lost > 0) onProblem(`${lost} reports of token uses are lost`);
  };

  return { report, flush, stop };
};
