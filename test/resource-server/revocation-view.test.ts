import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseRevocationAnswer, type RevocationAnswer } from '../../src/resource-server/revocation-answer.ts';
import {
  createRevocationView,
  type RevocationView,
  type TokenFacts,
} from '../../src/resource-server/revocation-view.ts';

const NOW = 1_770_000_000;
const TOLERANCE = 5;

let wall: number;
let monotonic: number;
let view: RevocationView;

const newView = (entriesMax?: number): RevocationView =>
  createRevocationView(
    { now: () => wall * 1000, monotonic: () => monotonic * 1000, clockToleranceSeconds: TOLERANCE },
    entriesMax,
  );
beforeEach(() => {
  wall = NOW;
  monotonic = 0;
  view = newView();
});

const pass = (seconds: number): void => {
  wall += seconds;
  monotonic += seconds;
};
const answer = (members: Record<string, unknown> = {}): RevocationAnswer =>
  parseRevocationAnswer({
    iat: wall,
    cursor: 'c1',
    complete: true,
    revoked: [],
    not_before: {},
    ...members,
  });
const delta = (after: string, cursor: string, members: Record<string, unknown> = {}): RevocationAnswer =>
  answer({ complete: false, after, cursor, ...members });
const token = (facts: Partial<TokenFacts> = {}): TokenFacts => ({
  tokenId: 'tok',
  keyId: 'key',
  agent: 'support-agent',
  audience: 'api://knowledge.prod',
  environment: 'prod',
  issuedAt: NOW,
  ...facts,
});

describe('a token', () => {
  it('is revoked by its id, and no other is', () => {
    view.take(answer({ revoked: [{ jti: 'tok', exp: NOW + 45 }] }));
    expect([view.isRevoked(token()), view.isRevoked(token({ tokenId: 'other' }))]).toEqual([true, false]);
  });

  it.each([
    ['global', { global: NOW }, {}],
    ['key', { keys: { key: NOW } }, { keyId: 'other' }],
    ['agent', { agents: { 'support-agent': NOW } }, { agent: 'other' }],
    ['audience', { audiences: { 'api://knowledge.prod': NOW } }, { audience: 'api://knowledge.test' }],
    ['environment', { environments: { prod: NOW } }, { environment: 'dev' }],
  ])(
    'is refused up to the second of the %s not-before, and good after it (T88)',
    (_name, not_before, other) => {
      view.take(answer({ not_before }));
      const isRevoked = [NOW - 1, NOW, NOW + 1].map((issuedAt) => view.isRevoked(token({ issuedAt })));
      expect(isRevoked).toEqual([true, true, false]);
      if (Object.keys(other).length > 0) expect(view.isRevoked(token(other))).toBe(false);
    },
  );

  it('is not confused with what every object has', () => {
    view.take(answer());
    expect(view.isRevoked(token({ agent: 'constructor', tokenId: '__proto__' }))).toBe(false);
    view.take(answer({ not_before: JSON.parse(`{"agents":{"__proto__":${NOW}}}`) }));
    expect(view.isRevoked(token({ agent: '__proto__' }))).toBe(true);
  });

  it('stays revoked when a whole snapshot no longer has it, and a not-before is never moved back', () => {
    view.take(answer({ revoked: [{ jti: 'tok', exp: NOW + 45 }], not_before: { agents: { a: NOW } } }));
    view.take(answer({ not_before: { agents: { a: NOW - 100 } } }));
    expect(view.isRevoked(token())).toBe(true);
    expect(view.isRevoked(token({ agent: 'a', tokenId: 'x' }))).toBe(true);
  });

  it('is revoked as long as any clock could take it for unexpired, whatever answers come in whatever order', () => {
    const step = fc.record({
      seconds: fc.integer({ min: 0, max: 20 }),
      lag: fc.integer({ min: -TOLERANCE, max: 2 * TOLERANCE }),
      jti: fc.integer({ min: 0, max: 5 }),
      life: fc.integer({ min: 1, max: 120 }),
      complete: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        wall = NOW;
        view = newView();
        const taken = new Map<string, number>();
        for (const [index, { seconds, lag, jti, life, complete }] of steps.entries()) {
          pass(seconds);
          const revoked = [{ jti: `tok-${jti}`, exp: wall + life }];
          const place = complete ? { complete } : { complete, after: view.cursor() ?? 'none' };
          try {
            view.take(answer({ iat: wall - lag, cursor: `c${index}`, revoked, ...place }));
            taken.set(`tok-${jti}`, Math.max(wall + life, taken.get(`tok-${jti}`) ?? 0));
          } catch {
            // Not taken: nothing of it is known.
          }
          for (const [tokenId, exp] of taken)
            if (exp + TOLERANCE >= wall)
              expect(view.isRevoked(token({ tokenId, issuedAt: wall }))).toBe(true);
        }
      }),
    );
  });
});

describe('an answer', () => {
  it('is taken only where it goes on from the place that was reached: a delta for another reader leaves a gap', () => {
    expect(() => view.take(delta('c0', 'c1'))).toThrow('another place');
    view.take(answer({ cursor: 'c1' }));
    expect(() => view.take(delta('c2', 'c3'))).toThrow('another place');
    expect(view.cursor()).toBe('c1');
    view.take(delta('c1', 'c2'));
    expect(view.cursor()).toBe('c2');
  });

  it('is not taken from the future, or when one before it is newer by more than clocks differ', () => {
    expect(() => view.take(answer({ iat: NOW + 6 }))).toThrow('future');
    view.take(answer());
    expect(() => view.take(answer({ iat: NOW - 6 }))).toThrow('older');
    view.take(answer({ iat: NOW - 5, revoked: [{ jti: 'tok', exp: NOW + 45 }] }));
    expect(view.isRevoked(token())).toBe(true);
  });

  it('of more than fits is not taken at all, and room comes back as tokens expire', () => {
    view = newView(2);
    const [a, b, c] = ['a', 'b', 'c'].map((jti) => ({ jti, exp: NOW + 45 }));
    view.take(answer({ revoked: [a, b] }));
    expect(() => view.take(delta('c1', 'c2', { revoked: [c] }))).toThrow('more than 2');
    expect(() => view.take(answer({ not_before: { agents: { a: NOW } } }))).toThrow('more than 2');
    expect([view.cursor(), view.isRevoked(token({ tokenId: 'a' }))]).toEqual(['c1', true]);
    pass(45 + 60 + 2 * TOLERANCE + 1);
    view.take(delta('c1', 'c2', { revoked: [{ jti: 'c', exp: wall + 45 }] }));
    expect(view.isRevoked(token({ tokenId: 'c' }))).toBe(true);
  });

  it.each([
    ['no cursor', { cursor: undefined }],
    ['an endless cursor', { cursor: 'x'.repeat(513) }],
    ['no word on completeness', { complete: undefined }],
    ['a delta from nowhere', { complete: false }],
    ['no time', { iat: undefined }],
    ['a time in text', { iat: String(NOW) }],
    ['no list', { revoked: undefined }],
    ['a list of texts', { revoked: ['tok'] }],
    ['a token without a name', { revoked: [{ exp: NOW }] }],
    ['a token without an end', { revoked: [{ jti: 'tok' }] }],
    ['a token that ends in a fraction', { revoked: [{ jti: 'tok', exp: 1.5 }] }],
    ['no not-befores', { not_before: null }],
    ['a not-before in text', { not_before: { global: 'now' } }],
    ['a key without a time', { not_before: { keys: { key: true } } }],
    ['not-befores in a list', { not_before: { agents: [NOW] } }],
    ['a not-before that is no time', { not_before: { environments: { prod: null } } }],
  ])('is refused as a whole with %s', (_name, members) => {
    expect(() => answer(members)).toThrow('no feed of revocations');
  });
});

describe('the age of the view', () => {
  it('is infinite before the first answer, and counts from the last one', () => {
    expect(view.ageSeconds()).toBe(Number.POSITIVE_INFINITY);
    view.take(answer());
    pass(7);
    expect(view.ageSeconds()).toBe(7);
    view.take(answer({ cursor: 'c1' }));
    expect(view.ageSeconds()).toBe(0);
  });

  it('counts by the monotonic clock when the wall clock is set back', () => {
    view.take(answer());
    monotonic += 60;
    wall -= 3_600;
    expect(view.ageSeconds()).toBe(60);
  });

  it('counts by the wall clock when the machine slept, and when an answer was kept back', () => {
    view.take(answer());
    wall += 3_600;
    expect(view.ageSeconds()).toBe(3_600 - TOLERANCE);
    view.take(answer({ iat: wall - 60 }));
    expect(view.ageSeconds()).toBe(60 - TOLERANCE);
  });

  it('is not made younger by an answer that is repeated', () => {
    const replayed = answer();
    view.take(replayed);
    for (let round = 0; round < 4; round += 1) {
      pass(10);
      view.take(replayed);
    }
    expect(view.ageSeconds()).toBe(40 - TOLERANCE);
  });
});
