import { expect, it } from 'vitest';
import { sha256 } from '../../src/canonical-json.ts';
import type { AssertionVerifier } from '../../src/identity/assertion-verifier.ts';
import { guardAssertions } from '../../src/limits/guard-assertions.ts';
import { openLimiter } from '../../src/limits/limiter.ts';
import { WORKLOAD } from '../support/access.ts';

const EARLIER = new Date(0);
const LATER = new Date(1);

/** What is good is good until LATER. */
const verify: AssertionVerifier = async (assertion, now) =>
  assertion.startsWith('good') && now < LATER
    ? { workload: { ...WORKLOAD, digest: sha256(assertion) } }
    : { reason: 'exp' };

const guarded = (quota: number) =>
  guardAssertions(verify, openLimiter({ name: 'address', quota, replicas: 1, redis: null }));

const seen = async (guard: ReturnType<typeof guarded>, assertion: string, now = EARLIER, address = '::1') =>
  Object.keys(await guard(assertion, { address, now }))[0];

it('an exhausted address gets what was good before verified, until that is rejected once', async () => {
  const guard = guarded(2);
  expect(await seen(guard, 'good')).toBe('workload');
  for (const met of ['reason', 'reason', 'exceeded']) expect(await seen(guard, 'bad')).toBe(met);
  expect(await seen(guard, 'good but new')).toBe('exceeded');
  expect(await seen(guard, 'good')).toBe('workload');
  expect(await seen(guard, 'good', LATER)).toBe('exceeded');
  expect(await seen(guard, 'good', EARLIER)).toBe('exceeded');
  expect(await seen(guard, 'good', EARLIER, '192.0.2.1')).toBe('workload');
});

it('no more than ten thousand such assertions are remembered, the oldest least', async () => {
  const guard = guarded(1);
  for (let n = 0; n <= 10_000; n += 1) await seen(guard, `good ${n}`);
  expect(await seen(guard, 'bad')).toBe('reason');
  expect([await seen(guard, 'good 0'), await seen(guard, 'good 1')]).toEqual(['exceeded', 'workload']);
});
