/**
 * What an agent can be given before policy is asked, over generated registries and requests: all that it asked for,
 * where each of it is among the API's actions and under the agent's ceiling; else nothing (T69).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestDigest } from '../../src/access/request-digest.ts';
import { checkTarget } from '../../src/oauth/check-target.ts';
import { parseExchangeRequest } from '../../src/oauth/exchange-request.ts';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { agent, document, resource } from '../registry/entries.ts';
import { formOf } from '../support/form.ts';
import {
  askedDetails,
  askedScopes,
  detailTypes,
  isAllowedDetail,
  respelled,
  SCOPES,
  subset,
} from '../support/generated.ts';

const AUDIENCE = 'api://knowledge.prod';

/** An API and an agent's ceiling that need not fit each other: the registry file could not say all of these. */
const world = fc.record({
  scopes: subset(SCOPES, 1),
  ceiling: subset([...SCOPES, 'articles.burn']),
  defaults: subset(SCOPES),
  types: detailTypes,
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

const check = (
  { scopes, ceiling, defaults, types }: World,
  asked: readonly string[] | null,
  details: readonly object[] = [],
) => {
  const registry = buildRegistry(
    1,
    document({
      agents: [agent('reader', 1, { access: [{ audience: AUDIENCE, scopes: ceiling }] })],
      resources: [
        resource(AUDIENCE, {
          scopes: Object.fromEntries(scopes.map((scope) => [scope, 'Does something.'])),
          default_scopes: defaults,
          authorization_details: types,
        }),
      ],
    }),
  );
  const form = formOf({
    subject_token: 'assertion',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    audience: AUDIENCE,
    scope: asked === null ? undefined : asked.join(' '),
    authorization_details: details.length === 0 ? undefined : JSON.stringify(details),
  });
  const parsed = parseExchangeRequest(form, undefined);
  if (parsed.reason !== undefined) return parsed;
  const reader = registry.agents.get('reader');
  if (reader === undefined) throw new Error('no such agent');
  return checkTarget(registry, reader, { ...parsed.value, proofKey: null });
};

const within = (names: readonly string[], ...limits: readonly (readonly string[])[]): boolean =>
  names.every((name) => limits.every((limit) => limit.includes(name)));

const sortedSet = (names: readonly string[]): string[] => [...new Set(names)].sort();

const RUNS = { numRuns: 1_000 };

describe('the scopes that policy is asked about', () => {
  it('are exactly those asked for where all are the API’s and under the ceiling, and none otherwise', () => {
    fc.assert(
      fc.property(world, askedScopes, (given, asked) => {
        const { value, reason } = check(given, asked);
        if (within(asked, given.scopes, given.ceiling)) expect(value?.asked.scopes).toEqual(sortedSet(asked));
        else expect({ value, reason }).toEqual({ value: undefined, reason: 'scope_unknown' });
      }),
      RUNS,
    );
  });

  it('are none where API and ceiling have nothing in common, whatever is asked', () => {
    fc.assert(
      fc.property(world, fc.option(askedScopes), (given, asked) => {
        const ceiling = given.ceiling.filter(
          (scope) => !given.scopes.includes(scope as (typeof SCOPES)[number]),
        );
        const { value, reason } = check({ ...given, ceiling }, asked);
        expect(value).toBeUndefined();
        expect(reason).toMatch(/^scope_/);
      }),
      RUNS,
    );
  });

  it('are the same, and the same request, in whatever order and however often they are named', () => {
    const spelledTwice = askedScopes.chain((asked) => fc.tuple(fc.constant(asked), respelled(asked)));
    fc.assert(
      fc.property(world, spelledTwice, (given, [asked, again]) => {
        const [one, other] = [check(given, asked), check(given, again)];
        expect(other.reason).toBe(one.reason);
        expect(other.value?.asked).toEqual(one.value?.asked);
        if (one.value && other.value)
          expect(requestDigest(other.value.asked)).toBe(requestDigest(one.value.asked));
      }),
      RUNS,
    );
  });

  it('are the API’s defaults where none were named, within both limits or not at all', () => {
    fc.assert(
      fc.property(world, (given) => {
        const { value, reason } = check(given, null);
        if (given.defaults.length === 0) expect(reason).toBe('scope_missing');
        else if (within(given.defaults, given.scopes, given.ceiling))
          expect(value?.asked.scopes).toEqual(sortedSet(given.defaults));
        else expect({ value, reason }).toEqual({ value: undefined, reason: 'scope_unknown' });
      }),
      RUNS,
    );
  });
});

describe('the authorization details that policy is asked about', () => {
  it('are exactly those asked for where each is of a registered type and within it, and none otherwise', () => {
    fc.assert(
      fc.property(world, askedDetails, (given, details) => {
        const open = { ...given, scopes: [...SCOPES], ceiling: [...SCOPES] };
        const { value, reason } = check(open, ['admin'], details);
        if (details.every((detail) => isAllowedDetail(given.types, detail)))
          expect(value?.asked.authorizationDetails).toEqual(details);
        else expect({ value, reason }).toEqual({ value: undefined, reason: 'authorization_details' });
      }),
      RUNS,
    );
  });

  it('give no action that the scopes do not give', () => {
    fc.assert(
      fc.property(world, askedScopes, askedDetails, (given, asked, details) => {
        fc.pre(!within(asked, given.scopes, given.ceiling));
        expect(check(given, asked, details)).toEqual({ reason: 'scope_unknown' });
      }),
      RUNS,
    );
  });
});
