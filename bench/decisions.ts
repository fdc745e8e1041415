/** How long policy takes alone: the engine in this process, asked one question after the other. */
import { pino } from 'pino';
import { openPolicyEngine } from '../src/policy/engine.ts';
import { questionOf } from './estate.ts';
import { quantile } from './load.ts';

const WARM_UP = 2_000;
const COUNT = 10_000;

export type DecisionTimes = {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
};

export const measureDecisions = async (bundle: Uint8Array, tenant: string): Promise<DecisionTimes> => {
  const engine = openPolicyEngine({ logger: pino({ level: 'silent' }) });
  try {
    await engine.load(bundle);
    const times: number[] = [];
    for (let index = 0; index < WARM_UP + COUNT; index += 1) {
      const question = questionOf(index, tenant);
      const asked = performance.now();
      const { decision, rule } = await engine.decide(question);
      if (index >= WARM_UP) times.push(performance.now() - asked);
      if (decision !== 'permit') throw new Error(`policy answers ${decision} (${rule})`);
    }
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  } finally {
    await engine.close();
  }
};
