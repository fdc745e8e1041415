import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PolicyUnavailable } from '../../src/policy/engine.ts';
import { INPUT_MAX_LENGTH } from '../../src/policy/input.ts';
import { REFUSED_INPUT } from '../../src/policy/verdict.ts';
import { asks, bundleOf, misbehavingBundle, openEngine, permitRule, question } from './bundles.ts';

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
