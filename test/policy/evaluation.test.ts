import { performance as clock } from 'node:perf_hooks';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ENTRYPOINTS, readBundle } from '../../src/policy/bundle.ts';
import { PolicyUnavailable } from '../../src/policy/engine.ts';
import { type BatchOutcome, startEvaluation } from '../../src/policy/evaluation.ts';
import { asks, misbehavingBundle, openEngine } from './bundles.ts';

describe('a thread', () => {
  const ask = async (...names: string[]): Promise<BatchOutcome> => {
    const evaluation = await startEvaluation(await readBundle(await misbehavingBundle()));
    onTestFinished(evaluation.end);
    const inputs = names.map((id) => JSON.stringify(asks(id)));
    const outcome = await evaluation.evaluate(ENTRYPOINTS.decision, inputs);
    if ('failed' in outcome) {
      expect(evaluation.hasEnded()).toBe(true);
      expect(await evaluation.evaluate(ENTRYPOINTS.decision, inputs)).toEqual(outcome);
    }
    return outcome;
  };

  it('is ended when a batch takes more than its time', async () => {
    const begun = clock.now();
    expect(await ask('good', 'slow')).toEqual({ failed: 'slow', detail: expect.stringContaining('100 ms') });
    expect(clock.now() - begun).toBeLessThan(2000);
  });

  it('is ended when the memory runs out', async () => {
    expect(await ask('good', 'large')).toEqual({
      failed: 'crashed',
      detail: expect.stringContaining('opa_malloc'),
    });
  });

  it('goes on when it is the policy that fails', async () => {
    expect(await ask('conflict', 'good')).toMatchObject({
      answers: [{ failed: expect.stringContaining('conflict') }, { result: [{ result: { rule: 'good' } }] }],
    });
  });
});

describe('an evaluation that does not end well', () => {
  it.each(['slow', 'large'])('is unavailable and costs nobody else the answer: %s', async (name) => {
    const engine = await openEngine(await misbehavingBundle());
    const outcomes = await Promise.allSettled(
      ['good', 'asking', name, 'denying', 'good'].map((id) => engine.decide(asks(id))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(outcomes[2]).toMatchObject({ reason: expect.any(PolicyUnavailable) });
    expect(await engine.decide(asks('good'))).toMatchObject({ decision: 'permit' });
  });

  it('is not tried again for a minute, at whatever second it is asked', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const engine = await openEngine(await misbehavingBundle());
      const timed = async (now: number): Promise<number> => {
        const begun = clock.now();
        await expect(engine.decide(asks('slow', { now }))).rejects.toBeInstanceOf(PolicyUnavailable);
        return clock.now() - begun;
      };
      expect(await timed(1)).toBeGreaterThan(100);
      expect(await timed(2)).toBeLessThan(50);
      vi.advanceTimersByTime(59_000);
      expect(await timed(3)).toBeLessThan(50);
      vi.advanceTimersByTime(2000);
      expect(await timed(4)).toBeGreaterThan(100);
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves the event loop free', async () => {
    const engine = await openEngine(await misbehavingBundle());
    let longest = 0;
    let last = clock.now();
    const ticking = setInterval(() => {
      longest = Math.max(longest, clock.now() - last);
      last = clock.now();
    }, 5);
    await expect(engine.decide(asks('slow'))).rejects.toBeInstanceOf(PolicyUnavailable);
    clearInterval(ticking);
    expect(longest).toBeLessThan(900);
  });
});
