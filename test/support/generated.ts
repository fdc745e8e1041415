/** Generated registries, rules and requests over a few names, so that they meet, miss and overlap each other. */
import fc from 'fast-check';
import type { Rule } from '../../src/policy/rules.ts';
import { TOKEN_SECONDS_CAPS } from '../../src/policy/rules.ts';
import type { AgentEntry, ResourceEntry } from '../../src/registry/registry-schema.ts';
import { permitRule } from '../policy/bundles.ts';

export const SCOPES = ['articles.read', 'articles.write', 'figures.read', 'admin'] as const;
/** Also asked for: what nobody has, and what every object has. */
const ODD_SCOPES = ['articles.burn', 'Articles.read', 'constructor'] as const;

export const ENVIRONMENTS = ['dev', 'test', 'prod'] as const;

export const subset = <T>(of: readonly T[], minLength = 0): fc.Arbitrary<T[]> =>
  fc.shuffledSubarray([...of], { minLength });

/** What an agent may send as its scopes: any names in any order, some of them again. */
export const askedScopes: fc.Arbitrary<string[]> = fc.array(
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...SCOPES) }, fc.constantFrom(...ODD_SCOPES)),
  { minLength: 1, maxLength: 6 },
);

/** The same names, in another order and number. */
export const respelled = (names: readonly string[]): fc.Arbitrary<string[]> =>
  fc
    .tuple(subset(names), fc.constant(names))
    .chain(([again, all]) =>
      fc.shuffledSubarray([...all, ...again], { minLength: all.length + again.length }),
    );

const LIMITS = {
  description: 'A limit.',
  fields: {
    amount: { type: 'integer', optional: false, minimum: 1, maximum: 100 },
    currency: { type: 'string', optional: true, values: ['EUR', 'USD'], max_length: 3 },
  },
} as const satisfies ResourceEntry['authorization_details'][string];
const FOLDERS = {
  description: 'Folders.',
  fields: {
    names: { type: 'strings', optional: false, max_length: 20, max_items: 2, narrowable: true },
    deep: { type: 'boolean', optional: true },
  },
} as const satisfies ResourceEntry['authorization_details'][string];
const TYPES = { limit: LIMITS, folders: FOLDERS };

/** The types of details that an API registers: none, one or both. */
export const detailTypes: fc.Arbitrary<ResourceEntry['authorization_details']> = subset(
  Object.entries(TYPES),
).map((entries) => Object.fromEntries(entries) as ResourceEntry['authorization_details']);

const sometimes = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 4 });

/** Details near the types: right ones, and each wrong in one way or several. */
export const askedDetails: fc.Arbitrary<Record<string, unknown>[]> = fc
  .array(
    fc.oneof(
      fc.record(
        {
          type: fc.constant('limit'),
          amount: fc.oneof(fc.integer({ min: -1, max: 102 }), fc.constantFrom('1', 1.5, null)),
          currency: fc.constantFrom('EUR', 'USD', 'eur', ''),
          more: sometimes(fc.constant(true)),
        },
        { requiredKeys: ['type', 'amount'] },
      ),
      fc.record(
        {
          type: fc.constant('folders'),
          names: fc.array(fc.constantFrom('a', 'b', 'c', '\u202E'), { maxLength: 3 }),
          deep: fc.constantFrom(true, false, 'yes'),
        },
        { requiredKeys: ['type', 'names'] },
      ),
      fc.constantFrom({ type: 'other' }, { type: 'limit' }, { type: 'constructor' }),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((details) => JSON.parse(JSON.stringify(details)));

/** Whether a detail is what the types allow, said by hand: neither schema nor check of the code is asked. */
export const isAllowedDetail = (types: object, detail: Readonly<Record<string, unknown>>): boolean => {
  const { type, ...members } = detail;
  if (typeof type !== 'string' || !Object.hasOwn(types, type)) return false;
  if (type === 'limit') {
    const { amount, currency, ...others } = members;
    const isAmount = Number.isInteger(amount) && Number(amount) >= 1 && Number(amount) <= 100;
    const isCurrency = currency === undefined || currency === 'EUR' || currency === 'USD';
    return isAmount && isCurrency && Object.keys(others).length === 0;
  }
  const { names, deep, ...others } = members as { names: string[]; deep?: unknown };
  const areNames =
    names.length >= 1 &&
    names.length <= 2 &&
    new Set(names).size === names.length &&
    !names.includes('\u202E');
  return areNames && (deep === undefined || typeof deep === 'boolean') && Object.keys(others).length === 0;
};

export type Ceiling = Pick<AgentEntry['access'][number], 'scopes'>;

const GROUPS = ['knowledge', 'payroll', 'release'] as const;

const lifetimes = {
  token_seconds: fc.integer({ min: 1, max: TOKEN_SECONDS_CAPS.dev }),
  max_tokens: sometimes(fc.integer({ min: 1, max: 5 })),
  require_key_binding: sometimes(fc.boolean()),
};

const approval = fc.record({
  groups: subset(GROUPS, 1),
  quorum: fc.integer({ min: 1, max: 2 }),
  pending_seconds: fc.integer({ min: 60, max: 1800 }),
  pickup_seconds: fc.integer({ min: 60, max: 600 }),
});

const common = (audience: string, agents: readonly string[]) => ({
  resource: fc.constant(audience),
  scopes: subset(SCOPES, 1),
  agents: fc.oneof(fc.constant('any' as const), subset(agents, 1)),
  environments: sometimes(subset(ENVIRONMENTS, 1)),
  public_reason: fc.constant('Told to the agent.'),
  internal_reason: fc.constant('Told to people.'),
});

const withoutAbsent = <T extends object>(members: T): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;

/** Rules about one API, each of its own id; permits above all, so that something is granted. */
export const rulesAbout = (audience: string, agents: readonly string[]): fc.Arbitrary<Rule[]> => {
  const facts = common(audience, agents);
  const permit = fc.record({ ...facts, ...lifetimes, decision: fc.constant('permit' as const) });
  const asking = fc.record({
    ...facts,
    ...lifetimes,
    decision: fc.constant('needs_approval' as const),
    grant_seconds: fc.integer({ min: TOKEN_SECONDS_CAPS.dev, max: 3600 }),
    approval,
  });
  const deny = fc.record({ ...facts, decision: fc.constant('deny' as const) });
  return fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: permit },
        { weight: 3, arbitrary: asking },
        { weight: 1, arbitrary: deny },
      ),
      { minLength: 1, maxLength: 6 },
    )
    .map((rules) => rules.map((rule, index) => withoutAbsent({ ...rule, id: `rule-${index}` }) as Rule));
};

/** A rule that matches nothing that is asked here, where a bundle needs one. */
export const elsewhere: Rule = permitRule({ id: 'elsewhere', resource: 'api://elsewhere' });
