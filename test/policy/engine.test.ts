import { createHash } from 'node:crypto';
import { performance as clock } from 'node:perf_hooks';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BundleRefused } from '../../src/policy/bundle.ts';
import { openPolicyEngine, type PolicyEngine, PolicyUnavailable } from '../../src/policy/engine.ts';
import { INPUT_MAX_LENGTH } from '../../src/policy/input.ts';
import { MALFORMED_RESULT, REFUSED_INPUT } from '../../src/policy/verdict.ts';
import { asks, bundleOf, fixture, misbehavingBundle, openEngine, permitRule, question } from './bundles.ts';

describe('an answer', () => {
  it('names its question by the RFC 8785 digest and its bundle by revision', async () => {
    const engine = await openEngine(await bundleOf());
    const spelled =
      '{"agent":{"environment":null,"id":"agent"},"authorization_details":[],"key_bound":false,"now":1800000000,' +
      '"resource":{"audience":"api://thing.prod","environment":"prod","sensitivity":"low"},"scopes":["read"],' +
      '"workload":{"application":"a","credential":"secret","object":"o","roles":[],"tenant":"t"}}';
    const decision = await engine.decide(question());
    expect(decision).toEqual({
      decision: 'permit',
      rule: 'read',
      matched: ['read'],
      publicReason: 'Told to the agent.',
      internalReason: 'Told to people.',
      tokenSeconds: 40,
      grantSeconds: 40,
      maxTokens: null,
      denialHoldSeconds: 3600,
      approval: null,
      inputDigest: createHash('sha256').update(spelled).digest('hex'),
      bundleRevision: engine.revision(),
    });
  });

  it('is the same for the same question however its members are ordered', async () => {
    const engine = await openEngine(await bundleOf());
    const asked = question();
    const reversed = Object.fromEntries(Object.entries(asked).reverse()) as typeof asked;
    expect(await engine.decide(reversed)).toEqual(await engine.decide(asked));
  });

  it('comes to each of many who ask at once', async () => {
    const scopes = Array.from({ length: 300 }, (_, index) => `action.${index}`);
    const engine = await openEngine(
      await bundleOf({ rules: scopes.map((scope) => permitRule({ id: scope, scopes: [scope] })) }),
    );
    const decisions = await Promise.all(scopes.map((scope) => engine.decide(question({ scopes: [scope] }))));
    expect(decisions.map(({ rule }) => rule)).toEqual(scopes);
  });

  it('is right again and again, past the life of one instance', async () => {
    const engine = await openEngine(await bundleOf());
    for (let round = 0; round < 11; round++) {
      const decisions = await Promise.all(
        Array.from({ length: 1000 }, (_, index) => engine.decide(question({ now: round * 1000 + index }))),
      );
      expect(decisions.every(({ decision }) => decision === 'permit')).toBe(true);
    }
  });

  it('is no for every other spelling of a resource', async () => {
    const engine = await openEngine(await bundleOf());
    for (const audience of [
      'api://thing.prod/',
      'API://thing.prod',
      'api://THING.prod',
      'api:/thing.prod',
      'api://thing.prod ',
      'api://thing%2Eprod',
      'api://thing.prod#',
      'api://thing.prod?',
      'api://thing.prod:443',
      'api://thing.prod\u0000',
      'api://th\u0456ng.prod',
      '__proto__',
      'constructor',
    ]) {
      const decision = await engine.decide(
        question({ resource: { audience, environment: 'prod', sensitivity: 'low' } }),
      );
      expect(decision, audience).toMatchObject({ decision: 'deny', rule: 'default' });
    }
  });
});

describe('a question that is not put to policy', () => {
  const deep = (depth: number): Record<string, unknown> =>
    Array.from({ length: depth }).reduce<Record<string, unknown>>((inner) => ({ inner }), {});

  it.each([
    ['of no scopes', question({ scopes: [] })],
    ['of scopes out of order', question({ scopes: ['write', 'read'] })],
    ['of a scope twice', question({ scopes: ['read', 'read'] })],
    ['of an agent without a name', asks('')],
    ['with a lone surrogate', question({ authorization_details: [{ type: '\ud800' }] })],
    ['nested too deep', question({ authorization_details: [deep(20)] })],
    ['nested deeper than a stack', question({ authorization_details: [deep(100_000)] })],
    ['that is too long', question({ authorization_details: [{ a: 'x'.repeat(INPUT_MAX_LENGTH) }] })],
    ['with a field that nobody knows', { ...question(), justification: 'please' }],
    [
      'of an unknown environment',
      { ...question(), resource: { ...question().resource, environment: 'moon' } },
    ],
    ['at no time', question({ now: Number.NaN })],
  ])('is denied: one %s', async (_, asked) => {
    const engine = await openEngine(await bundleOf());
    expect(await engine.decide(asked as ReturnType<typeof question>)).toMatchObject({
      decision: 'deny',
      rule: REFUSED_INPUT,
      tokenSeconds: 0,
      inputDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });
});

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
    expect(longest).toBeLessThan(100);
  });
});

describe('without a bundle', () => {
  it('there is no verdict', async () => {
    const engine = await openEngine();
    expect(engine.revision()).toBeNull();
    await expect(engine.decide(question())).rejects.toBeInstanceOf(PolicyUnavailable);
  });

  it('there is none after closing, either, and who waits is told', async () => {
    const engine = await openEngine(await misbehavingBundle());
    const waiting = expect(engine.decide(asks('slow'))).rejects.toBeInstanceOf(PolicyUnavailable);
    await new Promise(setImmediate);
    await engine.close();
    await waiting;
    await expect(engine.decide(asks('good'))).rejects.toBeInstanceOf(PolicyUnavailable);
  });
});

describe('a bundle', () => {
  const other = permitRule({ id: 'other' });
  const example = (decision: 'permit' | 'needs_approval' | 'deny') => ({
    name: 'the agent reads',
    agent: 'agent',
    resource: question().resource,
    scopes: ['read'],
    expect: { decision },
  });

  it('takes over from the one before, while questions go on', async () => {
    const engine = await openEngine(await bundleOf());
    const first = engine.revision();
    const asking = Promise.all(Array.from({ length: 200 }, (_, now) => engine.decide(question({ now }))));
    const second = await engine.load(await bundleOf({ rules: [other] }));
    expect(second).not.toBe(first);
    expect(engine.revision()).toBe(second);
    for (const { rule, bundleRevision } of await asking) {
      expect([`read ${first}`, `other ${second}`]).toContain(`${rule} ${bundleRevision}`);
    }
    expect(await engine.decide(question())).toMatchObject({ rule: 'other', bundleRevision: second });
  });

  it('of two loaded at once, the later one stays', async () => {
    const engine = await openEngine();
    const [, second] = await Promise.all([
      engine.load(await bundleOf()),
      engine.load(await bundleOf({ rules: [other] })),
    ]);
    expect(engine.revision()).toBe(second);
    expect(await engine.decide(question())).toMatchObject({ rule: 'other' });
  });

  it.each([
    [
      'permits what says nothing',
      { wasm: fixture('misbehaving'), rules: [permitRule({ resource: 'fixture:careless' })] },
    ],
    ['permits what its cases deny', { cases: { cases: [example('deny')] } }],
    ['permits what its cases hold for approval', { cases: { cases: [example('needs_approval')] } }],
    ['denies what its cases permit', { rules: [], cases: { cases: [example('permit')] } }],
    ['has no explanation', { wasm: fixture('no-explanation') }],
    ['needs a function of its host', { wasm: fixture('host-function') }],
    ['is not WebAssembly', { wasm: Buffer.from('module') }],
    ['is cut off in its module', { wasm: fixture('misbehaving').subarray(0, 50_000) }],
    ['speaks another ABI', { wasm: moduleOfAbi(2) }],
    ['says no ABI', { wasm: Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) }],
  ])('is refused and the last good one stays, if it %s', async (_, parts) => {
    const engine = await openEngine(await bundleOf());
    const revision = engine.revision();
    await expect(engine.load(await bundleOf(parts))).rejects.toBeInstanceOf(BundleRefused);
    expect(engine.revision()).toBe(revision);
    expect(await engine.decide(question())).toMatchObject({ rule: 'read', bundleRevision: revision });
  });
});

/** A module that exports nothing but a version: `(module (global (export "opa_wasm_abi_version") i32 (i32.const n)))`. */
function moduleOfAbi(version: number): Buffer {
  const name = Buffer.from('opa_wasm_abi_version');
  return Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    Buffer.from([6, 6, 1, 0x7f, 0, 0x41, version, 0x0b]),
    Buffer.from([7, name.length + 4, 1, name.length]),
    name,
    Buffer.from([3, 0]),
  ]);
}
