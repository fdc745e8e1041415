import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWithin, type Narrowing, narrowedTerms } from '../../src/access/narrowing.ts';
import { type Terms, termsDigest, termsOf } from '../../src/access/request-digest.ts';
import { parseNarrowing } from '../../src/console/narrowing-form.ts';
import { AGENT, AUDIENCE, decisionWith } from '../support/access.ts';
import { subset } from '../support/generated.ts';

const SCOPES = ['a.read', 'b.write', 'c.delete'] as const;
const FOLDERS = ['finance', 'people', 'sales'] as const;

/** Of folders fewer are less; of what is left out, fewer would be more. */
const mayShorten = (type: string, field: string): boolean => type === 'files' && field === 'folders';

const detail = fc.oneof(
  fc.record({
    type: fc.constant('files'),
    folders: subset(FOLDERS, 1),
    except: subset(FOLDERS, 1),
    deep: fc.boolean(),
  }),
  fc.record({ type: fc.constant('limit'), amount: fc.integer({ min: 1, max: 3 }) }),
);
const details = fc.array(detail, { maxLength: 3 });
const seconds = fc.integer({ min: 1, max: 100 });
const tokens = fc.option(fc.integer({ min: 1, max: 5 }));

const terms: fc.Arbitrary<Terms> = fc
  .tuple(subset(SCOPES, 1), details, seconds, seconds, tokens)
  .map(([scopes, authorizationDetails, grant, token, maxTokens]) =>
    termsOf(
      { agentId: AGENT, audience: AUDIENCE, scopes, authorizationDetails, proofKey: null },
      decisionWith({}, { grantSeconds: grant, tokenSeconds: Math.min(grant, token), maxTokens }),
      { justification: null, requestedSeconds: null },
    ),
  );

const wild: fc.Arbitrary<Narrowing> = fc.record({
  scopes: subset([...SCOPES, 'd.admin']),
  authorizationDetails: details,
  grantSeconds: fc.oneof(seconds, fc.constantFrom(0, -1, 0.5, Number.NaN, 1e9)),
  maxTokens: fc.oneof(tokens, fc.constantFrom(0, -1, 0.5)),
});

/** Mostly less of these terms, sometimes anything. */
const leftOf = (before: Terms): fc.Arbitrary<Narrowing> =>
  fc
    .record({
      scopes: fc.subarray([...before.scopes], { minLength: 1 }),
      authorizationDetails: fc
        .subarray([...before.authorization_details])
        .chain((kept) => fc.tuple(...kept.map(shortened))),
      grantSeconds: fc.integer({ min: 1, max: before.grant_seconds }),
      maxTokens: fc.integer({ min: 1, max: before.max_tokens ?? 5 }),
    })
    .chain((less) =>
      fc.record({
        less: fc.constant(less),
        wild,
        mixed: fc.array(fc.nat({ max: 9 }), { minLength: 4, maxLength: 4 }),
      }),
    )
    .map(({ less, wild: other, mixed }) => ({
      scopes: mixed[0] === 0 ? other.scopes : less.scopes,
      authorizationDetails: mixed[1] === 0 ? other.authorizationDetails : less.authorizationDetails,
      grantSeconds: mixed[2] === 0 ? other.grantSeconds : less.grantSeconds,
      maxTokens: mixed[3] === 0 ? other.maxTokens : less.maxTokens,
    }));

const shortened = (
  one: Readonly<Record<string, unknown>>,
): fc.Arbitrary<Readonly<Record<string, unknown>>> =>
  Array.isArray(one.folders)
    ? fc.subarray(one.folders, { minLength: 1 }).map((folders) => ({ ...one, folders }))
    : fc.constant(one);

const termsAndLeft = terms.chain((before) => fc.tuple(fc.constant(before), leftOf(before)));

type Right = { readonly [name: string]: unknown };

/** Everything that terms allow, as single rights: an action, in a folder, with the rest of its detail. */
const rightsOf = ({ scopes, authorization_details }: Terms): Set<string> =>
  new Set(
    scopes.flatMap((scope) =>
      (authorization_details.length === 0
        ? [{ type: 'everything' } as Right]
        : authorization_details
      ).flatMap((one) => {
        const { folders, ...rest } = one as Right;
        return (Array.isArray(folders) ? folders : [null]).map((folder) =>
          JSON.stringify([scope, folder, rest]),
        );
      }),
    ),
  );

const RUNS = { numRuns: 5000 };

describe('narrower terms', () => {
  it('allow nothing that the terms before did not, for no longer and no more often, whatever was sent', () => {
    let accepted = 0;
    fc.assert(
      fc.property(termsAndLeft, ([before, narrowing]) => {
        const after = narrowedTerms(before, narrowing);
        if (!isWithin(after, before, mayShorten)) return;
        accepted += 1;
        expect([...rightsOf(after)].filter((right) => !rightsOf(before).has(right))).toEqual([]);
        expect(rightsOf(after).size).toBeGreaterThan(0);
        expect(after.grant_seconds).toBeLessThanOrEqual(before.grant_seconds);
        expect(after.token_seconds).toBeLessThanOrEqual(Math.min(before.token_seconds, after.grant_seconds));
        expect(after.max_tokens ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(
          before.max_tokens ?? Number.POSITIVE_INFINITY,
        );
      }),
      RUNS,
    );
    expect(accepted).toBeGreaterThan(1000);
  });

  it('are refused if anything else in them differs', () => {
    fc.assert(
      fc.property(
        terms,
        fc.constantFrom('quorum', 'groups', 'rule', 'request_digest', 'more'),
        (before, field) => {
          expect(isWithin({ ...before, [field]: 'other' }, before, mayShorten)).toBe(false);
        },
      ),
    );
  });

  it('are still within the first when they are narrowed again', () => {
    fc.assert(
      fc.property(
        termsAndLeft
          .map(([first, one]) => [first, narrowedTerms(first, one)] as const)
          .filter(([first, second]) => isWithin(second, first, mayShorten))
          .chain(([first, second]) => fc.tuple(fc.constant(first), fc.constant(second), leftOf(second))),
        ([first, second, other]) => {
          const third = narrowedTerms(second, other);
          if (isWithin(third, second, mayShorten)) expect(isWithin(third, first, mayShorten)).toBe(true);
        },
      ),
    );
  });

  const FILES = { type: 'files', folders: ['finance', 'people'], except: ['sales'], deep: true };
  const before = termsOf(
    {
      agentId: AGENT,
      audience: AUDIENCE,
      scopes: ['a.read', 'b.write'],
      authorizationDetails: [FILES],
      proofKey: null,
    },
    decisionWith({}, { grantSeconds: 900, tokenSeconds: 45, maxTokens: null }),
    { justification: null, requestedSeconds: null },
  );
  const all = { scopes: before.scopes, authorizationDetails: [FILES], grantSeconds: 900, maxTokens: null };

  it.each<[string, Partial<Narrowing>, boolean]>([
    ['all of it', {}, true],
    ['one action', { scopes: ['b.write'] }, true],
    ['no action', { scopes: [] }, false],
    ['another action', { scopes: ['c.delete'] }, false],
    ['the same action twice', { scopes: ['a.read', 'a.read'] }, false],
    ['less time', { grantSeconds: 10 }, true],
    ['more time', { grantSeconds: 901 }, false],
    ['one token', { maxTokens: 1 }, true],
    ['no token', { maxTokens: 0 }, false],
    ['one folder', { authorizationDetails: [{ ...FILES, folders: ['people'] }] }, true],
    ['no folder', { authorizationDetails: [{ ...FILES, folders: [] }] }, false],
    ['another folder', { authorizationDetails: [{ ...FILES, folders: ['sales'] }] }, false],
    ['no details at all', { authorizationDetails: [] }, false],
    ['the detail twice', { authorizationDetails: [FILES, FILES] }, false],
    ['less in a list of which fewer are more', { authorizationDetails: [{ ...FILES, except: [] }] }, false],
    [
      'a detail without one of its fields',
      { authorizationDetails: [{ type: 'files', folders: ['people'] }] },
      false,
    ],
    ['a text where a list was', { authorizationDetails: [{ ...FILES, folders: 'people' }] }, false],
    ['a detail with one more field', { authorizationDetails: [{ ...FILES, more: true }] }, false],
    ['another value', { authorizationDetails: [{ ...FILES, deep: false }] }, false],
  ])('may leave %s: %o -> %s', (_name, left, within) => {
    expect(isWithin(narrowedTerms(before, { ...all, ...left }), before, mayShorten)).toBe(within);
  });

  it('take no list for a part of the text that was there', () => {
    const text = { ...before, authorization_details: [{ ...FILES, folders: 'finance' }] };
    const list = { ...before, authorization_details: [{ ...FILES, folders: ['f'] }] };
    expect(isWithin(list, text, mayShorten)).toBe(false);
  });

  it('give no token longer than before, nor longer than the grant, whoever made them', () => {
    expect(isWithin({ ...before, token_seconds: 46 }, before, mayShorten)).toBe(false);
    expect(isWithin({ ...before, grant_seconds: 30 }, before, mayShorten)).toBe(false);
  });
});

describe('the form that narrows', () => {
  const field = fc.tuple(
    fc.constantFrom(
      'keep',
      'detail',
      'item.0.folders',
      'item.0.except',
      'item.1.folders',
      'grant_seconds',
      'max_tokens',
      'scope',
    ),
    fc.oneof(
      fc.constantFrom('0', '1', '2', '-1', '1e3', '', 'finance', 'd.admin'),
      fc.constantFrom(...SCOPES),
    ),
  );

  it('leaves terms that are within those before, or says what is wrong, whatever its fields are', () => {
    let narrowed = 0;
    fc.assert(
      fc.property(terms, fc.array(field, { maxLength: 12 }), (before, fields) => {
        const parsed = parseNarrowing(
          new URLSearchParams([['narrow', '1'], ...fields]).toString(),
          before,
          mayShorten,
        );
        if (parsed === null || 'problem' in parsed) return;
        narrowed += 1;
        const after = narrowedTerms(before, parsed.narrowing);
        expect(isWithin(after, before, mayShorten)).toBe(true);
        expect(termsDigest(after)).not.toBe(termsDigest(before));
      }),
      RUNS,
    );
    expect(narrowed).toBeGreaterThan(10);
  });
});
