/** The figures of one broker process, in Prometheus' terms, under names that clients rely on. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ASSERTION_REASONS } from '../reasons/assertion.ts';

const EXCHANGE_BUCKETS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2];
const PROPAGATION_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const DECISION_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1];

export type Metrics = {
  /** One exchange: how it ended, and seconds. */
  readonly observeExchange: (outcome: string, seconds: number) => void;
  /** One decision of policy: which, and seconds. */
  readonly observeDecision: (decision: string, seconds: number) => void;
  /** An assertion that was not believed; whatever is no reason for that is not counted. */
  readonly countRejectedAssertion: (reason: unknown) => void;
  /** One request that was refused, by the reason in the trail. */
  readonly countRefusedRequest: (reason: string) => void;
  /** One request refused because a limit was reached: which. */
  readonly countRateLimited: (limit: string) => void;
  /** One request refused because too much of its class was under way. */
  readonly countShed: (route: string) => void;
  readonly countTokenUses: (outcome: 'allowed' | 'refused', count: number) => void;
  /** One revocation taken over by this replica: seconds after it was written. */
  readonly observeRevocation: (seconds: number) => void;
  /** The exposition format, and its content type. */
  readonly expose: () => Promise<{ readonly type: string; readonly text: string }>;
};

/** `countPending` is asked at each scrape how many requests wait for people. */
export const createMetrics = (countPending: () => Promise<number>): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const exchanges = new Histogram({
    name: 'countersign_exchange_duration_seconds',
    help: 'Duration of exchanges by how they ended.',
    labelNames: ['outcome'],
    buckets: EXCHANGE_BUCKETS,
    registers,
  });
  const decisionTimes = new Histogram({
    name: 'countersign_decision_duration_seconds',
    help: 'Duration of policy decisions.',
    buckets: DECISION_BUCKETS,
    registers,
  });
  const decisions = new Counter({
    name: 'countersign_decisions_total',
    help: 'Policy decisions by their outcome.',
    labelNames: ['decision'],
    registers,
  });
  const failures = new Counter({
    name: 'countersign_issuance_failures_total',
    help: 'Exchanges that could not be answered, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const rejections = new Counter({
    name: 'countersign_assertions_rejected_total',
    help: 'Assertions that were not believed, by reason.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of Object.keys(ASSERTION_REASONS)) rejections.inc({ reason }, 0);
  const refusals = new Counter({
    name: 'countersign_requests_refused_total',
    help: 'Requests that were refused, by reason; what policy refuses counts as its decision.',
    labelNames: ['reason'],
    registers,
  });
  const uses = new Counter({
    name: 'countersign_token_uses_total',
    help: 'Uses of tokens that APIs reported.',
    labelNames: ['outcome'],
    registers,
  });
  const propagation = new Histogram({
    name: 'countersign_revocation_propagation_seconds',
    help: 'Time from a revocation to this replica telling the APIs that follow it.',
    buckets: PROPAGATION_BUCKETS,
    registers,
  });
  const shed = new Counter({
    name: 'countersign_shed_total',
    help: 'Requests refused because too many of their kind were under way.',
    labelNames: ['route'],
    registers,
  });
  const rateLimited = new Counter({
    name: 'countersign_rate_limited_total',
    help: 'Requests refused because a rate limit was reached, by limit.',
    labelNames: ['limit'],
    registers,
  });
  new Gauge({
    name: 'countersign_requests_pending',
    help: 'Access requests that wait for people.',
    registers,
    async collect() {
      this.set(await countPending().catch(() => Number.NaN));
    },
  });
  return {
    observeExchange: (outcome, seconds) => {
      exchanges.observe({ outcome }, seconds);
      if (outcome === 'unavailable' || outcome === 'failed') failures.inc({ reason: outcome });
    },
    observeDecision: (decision, seconds) => {
      decisionTimes.observe(seconds);
      decisions.inc({ decision });
    },
    countRejectedAssertion: (reason) => {
      if (typeof reason === 'string' && Object.hasOwn(ASSERTION_REASONS, reason)) rejections.inc({ reason });
    },
    countRefusedRequest: (reason) => refusals.inc({ reason }),
    countShed: (route) => shed.inc({ route }),
    countRateLimited: (limit) => rateLimited.inc({ limit }),
    countTokenUses: (outcome, count) => uses.inc({ outcome }, count),
    observeRevocation: (seconds) => propagation.observe(Math.max(0, seconds)),
    expose: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
};
