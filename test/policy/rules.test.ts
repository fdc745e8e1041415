import { describe, expect, it } from 'vitest';
import { PolicySourceInvalid, parsePolicySource } from '../../src/policy/policy-source.ts';
import { rulesDocument, rulesJsonSchema } from '../../src/policy/rules.ts';
import { policyFile } from './bundles.ts';

const permit = {
  id: 'read',
  resource: 'api://thing.prod',
  scopes: ['read'],
  agents: ['agent'],
  decision: 'permit',
  token_seconds: 40,
  public_reason: 'Told to the agent.',
  internal_reason: 'Told to people.',
};
const approval = { groups: ['one'], quorum: 1, pending_seconds: 900, pickup_seconds: 300 };
/** Everything that a rule may ask of approvers beyond groups and quorum. */
const DEMANDS = {
  groups: ['one', 'two'],
  required_groups: ['one', 'two'],
  quorum: 2,
  deny_quorum: 2,
  sign_in_max_age_seconds: 300,
  authentication_context: 'c1',
};
const asking = { ...permit, decision: 'needs_approval', grant_seconds: 900, approval };
const { token_seconds: _, ...withoutLifetime } = permit;
const denial = { ...withoutLifetime, decision: 'deny' };

const without = (rule: object, field: string): object =>
  Object.fromEntries(Object.entries(rule).filter(([name]) => name !== field));

/** What is wrong with rules, as their administrator reads it; null if nothing is. */
const problemsOf = (...rules: object[]): string | null => {
  try {
    parsePolicySource({ name: 'rules.yaml', text: JSON.stringify({ rules }) }, rulesDocument);
    return null;
  } catch (error) {
    if (error instanceof PolicySourceInvalid) return error.message;
    throw error;
  }
};

describe('a rule', () => {
  it.each([
    ['permits', permit],
    ['asks for approval', asking],
    ['denies', denial],
    ['is for any agent', { ...permit, agents: 'any' }],
    ['is about several APIs', { ...permit, resource: ['api://thing.dev', 'api://thing.test'] }],
    ['is single use', { ...permit, max_tokens: 1 }],
    [
      'asks for each of two groups, two denials and a fresh sign-in',
      { ...asking, approval: { ...approval, ...DEMANDS } },
    ],
    ['refuses client secrets', { ...permit, refuse_client_secret: true }],
    ['demands roles and a proof key', { ...permit, roles: ['Reader'], require_key_binding: true }],
    [
      'is for some environments and sensitivities',
      { ...permit, environments: ['dev'], sensitivities: ['low'] },
    ],
  ])('is accepted if it %s', (_name, rule) => {
    expect(problemsOf(rule)).toBeNull();
  });

  it.each([
    ['a field that nobody knows', { ...permit, allow: true }, 'has no field "allow"'],
    ['a misspelled decision', { ...permit, decision: 'permitt' }, 'decision'],
    ['no decision', without(permit, 'decision'), 'decision'],
    [
      'an approval without a quorum',
      { ...asking, approval: without(approval, 'quorum') },
      'quorum: is missing',
    ],
    ['a quorum of zero', { ...asking, approval: { ...approval, quorum: 0 } }, 'approval.quorum'],
    ['half a quorum', { ...asking, approval: { ...approval, quorum: 0.5 } }, 'approval.quorum'],
    ['a denial by nobody', { ...asking, approval: { ...approval, deny_quorum: 0 } }, 'approval.deny_quorum'],
    [
      'a required group that may not approve',
      { ...asking, approval: { ...approval, required_groups: ['two'] } },
      'approval.required_groups: must be among the groups',
    ],
    [
      'a required group twice',
      { ...asking, approval: { ...approval, quorum: 2, required_groups: ['one', 'one'] } },
      'the same group twice',
    ],
    [
      'more required groups than people',
      { ...asking, approval: { ...approval, ...DEMANDS, quorum: 1 } },
      'approval.quorum: must not be less',
    ],
    [
      'a sign-in that may be a day old',
      { ...asking, approval: { ...approval, sign_in_max_age_seconds: 86_400 } },
      'approval.sign_in_max_age_seconds',
    ],
    [
      'an authentication context that Entra does not have',
      { ...asking, approval: { ...approval, authentication_context: 'mfa' } },
      'c1 to c99',
    ],
    ['an approval by nobody', { ...asking, approval: { ...approval, groups: [] } }, 'approval.groups'],
    ['no approval where one is asked for', without(asking, 'approval'), 'approval: is missing'],
    ['no grant where approval is asked for', without(asking, 'grant_seconds'), 'grant_seconds: is missing'],
    ['an approval where none is asked for', { ...permit, approval }, 'has no field "approval"'],
    ['a lifetime on a denial', { ...denial, token_seconds: 10 }, 'has no field "token_seconds"'],
    ['no lifetime', withoutLifetime, 'token_seconds: is missing'],
    ['a lifetime of zero', { ...permit, token_seconds: 0 }, 'token_seconds'],
    ['a lifetime in words', { ...permit, token_seconds: '40' }, 'token_seconds'],
    ['a lifetime beyond every environment', { ...permit, token_seconds: 121 }, 'token_seconds'],
    ['a lifetime beyond its own', { ...permit, environments: ['prod'], token_seconds: 46 }, '(45)'],
    ['a grant shorter than its token', { ...permit, grant_seconds: 39 }, 'shorter than token_seconds'],
    ['no uses', { ...permit, max_tokens: 0 }, 'max_tokens'],
    ['no scopes', { ...permit, scopes: [] }, 'scopes'],
    ['a scope with a space', { ...permit, scopes: ['read write'] }, 'scopes[0]'],
    ['a scope that is no plain name', { ...permit, scopes: ['__proto__'] }, 'scopes[0]'],
    ['no agents', { ...permit, agents: [] }, 'agents'],
    ['any agent among others', { ...permit, agents: ['any'] }, 'agents'],
    ['a resource that is no URI', { ...permit, resource: 'thing' }, 'resource'],
    ['a resource in another spelling', { ...permit, resource: 'api://Thing.prod' }, 'lower case'],
    ['a pattern for an environment', { ...permit, environments: ['*'] }, 'environments[0]'],
    ['a public reason beyond ASCII', { ...permit, public_reason: 'caf\u00e9' }, 'public_reason'],
    ['a public reason in two lines', { ...permit, public_reason: 'one\ntwo' }, 'public_reason'],
    ['no reason', without(permit, 'internal_reason'), 'internal_reason: is missing'],
    ['an id that the policy answers with itself', { ...permit, id: 'default' }, 'answers with'],
    ['an id with spaces', { ...permit, id: 'a rule' }, 'id'],
  ])('is refused if it has %s', (_name, rule, problem) => {
    expect(problemsOf(rule) ?? 'nothing').toContain(problem);
  });

  it('is refused if another has its id', () => {
    expect(problemsOf(permit, { ...asking, id: 'other' }, permit)).toContain(
      'rules[2].id: "read" is used twice',
    );
  });
});

describe('a file of rules', () => {
  const parse = (text: string) => () => parsePolicySource({ name: 'rules.yaml', text }, rulesDocument);

  it('shows every problem at once, with its line', () => {
    const text = policyFile('rules.yaml').toString().replace('token_seconds: 120', 'token_seconds: 500');
    const broken = text.replace('agents: any', 'agents: all');
    const lineOf = (needle: string): number => broken.slice(0, broken.indexOf(needle)).split('\n').length;
    expect(parse(broken)).toThrow(`rules.yaml:${lineOf('token_seconds: 500')} rules[0].token_seconds`);
    expect(parse(broken)).toThrow(`rules.yaml:${lineOf('agents: all')} rules[11].agents`);
  });

  it.each([
    ['a key twice', 'rules: []\nrules: []'],
    ['an alias', 'a: &a []\nrules: *a'],
    ['no YAML', 'rules: ['],
    ['nothing', ''],
    ['a list', '- rules'],
    ['a field beside the rules', 'rules: []\ndefault: permit'],
  ])('is refused if it holds %s', (_name, text) => {
    expect(parse(text)).toThrow(PolicySourceInvalid);
  });

  it('has a JSON Schema that is up to date (vitest -u writes it)', async () => {
    const schema = `${JSON.stringify(rulesJsonSchema(), null, 2)}\n`;
    await expect(schema).toMatchFileSnapshot('../../policies/schema/rules.schema.json');
  });
});
