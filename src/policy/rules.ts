/**
 * The visible rules: what an administrator writes in YAML, validated whole before anything is built from it.
 * A rule that could only be a mistake (a field nobody knows, an approval without a quorum, a grant shorter than
 * its token) is refused here, so that it never comes to be weighed at a decision.
 */
import { z } from 'zod';
import { AUDIENCE_MAX_LENGTH, AUDIENCE_PATTERN, checkAudience } from '../registry/audience.ts';

/**
 * Longest life of a token by the API's environment, seconds: about one task, shorter where more is at stake.
 * Enforced by the Rego rules and again after them.
 */
export const TOKEN_SECONDS_CAPS = { dev: 120, test: 90, prod: 45 } as const;

/** Rule names that the policy itself answers with; none of them may be a rule's id. */
export const RESERVED_RULE_IDS = ['default', 'no-common-group', 'malformed-result', 'refused-input'] as const;

export const ENVIRONMENTS = ['dev', 'test', 'prod'] as const;
export const SENSITIVITIES = ['low', 'moderate', 'high', 'critical'] as const;

const seconds = (longest: number, description: string) =>
  z.int().min(1).max(longest).describe(`${description}, seconds (1 to ${longest})`);
const oneOrMore = <Item extends z.ZodType>(item: Item) => z.union([item, z.array(item).min(1)]);

const HOUR = 3600;
const DAY = 24 * HOUR;

const audience = z
  .string()
  .max(AUDIENCE_MAX_LENGTH)
  .regex(AUDIENCE_PATTERN, 'must be an absolute URI, such as api://payroll.prod')
  .superRefine((value, context) => {
    const problem = AUDIENCE_PATTERN.test(value) ? checkAudience(value) : null;
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });

// Keys of the rule table: this one name means something else to JavaScript than to JSON.
const isPlainName = (name: string): boolean => name !== '__proto__';

const scope = z
  .string()
  .max(128)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be a scope of RFC 6749: visible ASCII, no quotes, no backslash')
  .refine(isPlainName, 'is not a name that can be used');
const agent = z
  .string()
  .max(128)
  .regex(/^[\x21-\x7e]+$/, 'must be an agent id without spaces')
  .refine(isPlainName, 'is not a name that can be used')
  .refine((id) => id !== 'any', 'write "agents: any", without a list, for every agent');

/**
 * The oldest sign-in that may vote, seconds: roles are as old as the sign-in that brought them. A rule may ask for a
 * younger one.
 */
export const SIGN_IN_MAX_AGE_SECONDS = HOUR;
/** Quicker than this nobody signs in, reads the page and decides. */
const SIGN_IN_MIN_AGE_SECONDS = 60;

const group = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'must be letters, digits, "-" or "_"');
const people = (what: string) => z.int().min(1).max(10).describe(`${what} (1 to 10)`);

const approval = z.strictObject({
  groups: z
    .array(group)
    .min(1)
    .describe('Who may approve: holders of the Entra app role Approver.<group> of any of these groups'),
  required_groups: z
    .array(group)
    .min(1)
    .optional()
    .describe('Those of the groups that must all be among the approvers, each by a different person'),
  quorum: people('How many different people must approve'),
  deny_quorum: people('How many different people must deny if one is not to be enough').optional(),
  sign_in_max_age_seconds: z
    .int()
    .min(SIGN_IN_MIN_AGE_SECONDS)
    .max(SIGN_IN_MAX_AGE_SECONDS)
    .optional()
    .describe('How recently approvers must have signed in, seconds (60 to 3600); an hour if absent'),
  authentication_context: z
    .string()
    .regex(/^c[1-9][0-9]?$/, 'must be the id of an authentication context of Entra: c1 to c99')
    .optional()
    .describe('Authentication context of Entra that approvers must have satisfied at their sign-in'),
  pending_seconds: seconds(7 * DAY, 'How long the request waits for a decision'),
  pickup_seconds: seconds(DAY, 'How long an approval waits for the agent to come back'),
});

const common = {
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'must be lower-case letters, digits, "." or "-", at most 64')
    .describe('Names the rule in decisions and in the audit trail'),
  resource: oneOrMore(audience).describe('Audience of the API, or a list of them; exact, no patterns'),
  scopes: z.array(scope).min(1).describe('The actions of that API which the rule is about'),
  agents: z.union([z.literal('any'), z.array(agent).min(1)]).describe('Agent ids, or any'),
  roles: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Entra app roles that the workload must hold, all of them'),
  environments: z
    .array(z.enum(ENVIRONMENTS))
    .min(1)
    .optional()
    .describe('Only if the API is of one of these'),
  sensitivities: z
    .array(z.enum(SENSITIVITIES))
    .min(1)
    .optional()
    .describe('Only if the API is of one of these'),
  public_reason: z
    .string()
    .min(1)
    .max(300)
    .regex(/^[\x20-\x7e]+$/, 'must be one line of ASCII: it travels in an HTTP answer')
    .describe('Told to the agent'),
  internal_reason: z.string().min(1).max(1000).describe('Told to approvers, operators and the audit trail'),
};

const lifetimes = {
  token_seconds: seconds(
    TOKEN_SECONDS_CAPS.dev,
    `Longest life of one token; never more than the environment allows (${ENVIRONMENTS.map((name) => `${name} ${TOKEN_SECONDS_CAPS[name]}`).join(', ')})`,
  ),
  max_tokens: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Tokens ever minted under one grant; 1 is single use'),
  require_key_binding: z
    .boolean()
    .optional()
    .describe('Refuse callers that prove no key of their own (DPoP)'),
  refuse_client_secret: z
    .boolean()
    .optional()
    .describe(
      'Refuse workloads that signed in to Entra with a client secret; certificates, federated credentials and managed identities pass',
    ),
};

const permit = z.strictObject({
  ...common,
  decision: z.literal('permit'),
  ...lifetimes,
  grant_seconds: seconds(DAY, 'How long the grant lives; without it as long as one token').optional(),
});
const needsApproval = z.strictObject({
  ...common,
  decision: z.literal('needs_approval'),
  ...lifetimes,
  grant_seconds: seconds(DAY, 'How long an approval lasts once it is given'),
  approval,
  denial_hold_seconds: seconds(30 * DAY, "How long a person's denial holds; an hour if absent").optional(),
});
const deny = z.strictObject({ ...common, decision: z.literal('deny') });

const rule = z
  .discriminatedUnion('decision', [permit, needsApproval, deny])
  .superRefine((candidate, context) => {
    const issue = (field: string, message: string): void => {
      context.addIssue({ code: 'custom', path: field.split('.'), message });
    };
    if ((RESERVED_RULE_IDS as readonly string[]).includes(candidate.id)) {
      issue('id', 'is a name that the policy itself answers with');
    }
    if (candidate.decision === 'deny') return;
    if (candidate.decision === 'needs_approval') {
      const { groups, required_groups: required = [], quorum } = candidate.approval;
      if (required.some((name) => !groups.includes(name)))
        issue('approval.required_groups', 'must be among the groups');
      if (new Set(required).size < required.length)
        issue('approval.required_groups', 'must not name the same group twice');
      if (required.length > quorum)
        issue('approval.quorum', 'must not be less than the number of required_groups');
    }
    if (candidate.grant_seconds !== undefined && candidate.grant_seconds < candidate.token_seconds) {
      issue('grant_seconds', 'must not be shorter than token_seconds');
    }
    const cap = Math.max(...(candidate.environments ?? ENVIRONMENTS).map((name) => TOKEN_SECONDS_CAPS[name]));
    if (candidate.token_seconds > cap) {
      issue('token_seconds', `is more than any environment of the rule allows (${cap})`);
    }
  });

/** The whole file of rules. Its JSON Schema is policies/schema/rules.schema.json. */
export const rulesDocument = z
  .strictObject({ rules: z.array(rule).max(10_000) })
  .superRefine(({ rules }, context) => {
    const seen = new Set<string>();
    for (const [index, { id }] of rules.entries()) {
      if (seen.has(id)) {
        context.addIssue({ code: 'custom', path: ['rules', index, 'id'], message: `"${id}" is used twice` });
      }
      seen.add(id);
    }
  });

/** One rule as written. Absent conditions mean no condition. */
export type Rule = z.infer<typeof rule>;
export type RulesDocument = z.infer<typeof rulesDocument>;

/** The JSON Schema of the rules file (draft 2020-12), for editors. */
export const rulesJsonSchema = (): object =>
  z.toJSONSchema(rulesDocument, { io: 'input', target: 'draft-2020-12' });
