import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPolicyEngine, type PolicyEngine } from '../../src/policy/engine.ts';
import { MALFORMED_RESULT } from '../../src/policy/verdict.ts';
import { asks, misbehavingBundle, question } from './bundles.ts';

describe('an answer that is none', () => {
  let engine: PolicyEngine;
  beforeAll(async () => {
    engine = openPolicyEngine({ logger: pino({ level: 'silent' }) });
    await engine.load(await misbehavingBundle());
  });
  afterAll(() => engine.close());

  it.each([
    'undefined-because-nobody-knows-this-name',
    'conflict',
    'true',
    'empty',
    'text',
    'list',
    'unknown-decision',
    'decision-with-a-space',
    'extra-field',
    'missing-field',
    'no-rule',
    'rule-that-did-not-match',
    'nothing-matched',
    'reason-in-two-lines',
    'reason-beyond-ascii',
    'lifetime-of-zero',
    'lifetime-below-zero',
    'lifetime-in-words',
    'half-a-second',
    'grant-shorter-than-token',
    'permit-with-approval',
    'approval-without-terms',
    'approval-without-groups',
    'approval-without-quorum',
    'quorum-of-zero',
    'denial-with-a-lifetime',
  ])('is a denial, never an exception: %s', async (name) => {
    expect(await engine.decide(asks(name))).toMatchObject({
      decision: 'deny',
      rule: MALFORMED_RESULT,
      matched: [],
      tokenSeconds: 0,
      grantSeconds: 0,
      maxTokens: 0,
      approval: null,
      publicReason: expect.stringMatching(/^[\x20-\x7e]+$/),
    });
    expect(await engine.decide(asks('good'))).toMatchObject({ decision: 'permit', rule: 'good' });
  });

  it('leaves exact answers as they are', async () => {
    expect(await engine.decide(asks('asking'))).toMatchObject({
      decision: 'needs_approval',
      approval: { groups: ['one'], quorum: 1, pendingSeconds: 900, pickupSeconds: 300 },
    });
    expect(await engine.decide(asks('denying'))).toMatchObject({ decision: 'deny', rule: 'good' });
  });

  it('cannot outlive the cap of the environment, whatever the policy says', async () => {
    const lifeIn = async (environment: 'dev' | 'test' | 'prod'): Promise<number> =>
      (await engine.decide(asks('beyond-the-cap', { resource: { ...question().resource, environment } })))
        .tokenSeconds;
    expect([await lifeIn('dev'), await lifeIn('test'), await lifeIn('prod')]).toEqual([120, 90, 45]);
  });
});
