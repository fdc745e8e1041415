/**
 * Rules as the policy reads them: keyed by audience and scope, so that a decision looks up and never scans, and
 * every condition and limit written out, so that nothing is decided by what is absent.
 */
import { z } from 'zod';
import { ENVIRONMENTS, type Rule, SENSITIVITIES, SIGN_IN_MAX_AGE_SECONDS } from './rules.ts';

/** How long a person's denial holds where the rule does not say, seconds: an hour outlasts an agent's insistence. */
export const DENIAL_HOLD_SECONDS = 3600;

const names = z.record(z.string(), z.literal(true));
const seconds = z.int().min(1);

const tableRule = z.strictObject({
  id: z.string().min(1),
  any_agent: z.boolean(),
  agents: names,
  roles: z.array(z.string()),
  environments: names,
  sensitivities: names,
  decision: z.enum(['permit', 'needs_approval', 'deny']),
  public_reason: z.string(),
  internal_reason: z.string(),
  token_seconds: seconds.nullable(),
  grant_seconds: seconds.nullable(),
  max_tokens: z.int().min(1).nullable(),
  require_key_binding: z.boolean(),
  /** Absent in bundles that were built before there was such a demand; their modules make none. */
  refuse_client_secret: z.boolean().default(false),
  denial_hold_seconds: seconds,
  approval: z
    .strictObject({
      groups: z.array(z.string().min(1)).min(1),
      quorum: z.int().min(1),
      // Absent in bundles that were built before rules could ask for them.
      required_groups: z.array(z.string().min(1)).default([]),
      deny_quorum: z.int().min(1).default(1),
      sign_in_max_age_seconds: seconds.max(SIGN_IN_MAX_AGE_SECONDS).default(SIGN_IN_MAX_AGE_SECONDS),
      authentication_context: z.string().min(1).nullable().default(null),
      pending_seconds: seconds,
      pickup_seconds: seconds,
    })
    .nullable(),
});

/** `data.json` of a bundle: audience -> scope -> rule id -> rule. */
export const ruleTable = z.strictObject({
  rules: z.record(z.string(), z.record(z.string(), z.record(z.string(), tableRule))),
});

/** One rule in full. A denial has no lifetimes; a permit whose `grant_seconds` is null lives as long as one token. */
export type TableRule = z.infer<typeof tableRule>;
export type RuleTable = z.infer<typeof ruleTable>;

const allOf = (values: readonly string[]): Record<string, true> =>
  Object.fromEntries(values.map((value) => [value, true as const]));

const NO_DEMANDS = { require_key_binding: false, refuse_client_secret: false } as const;

const approvalInFull = ({
  required_groups = [],
  deny_quorum = 1,
  sign_in_max_age_seconds = SIGN_IN_MAX_AGE_SECONDS,
  ...approval
}: (Rule & { decision: 'needs_approval' })['approval']): NonNullable<TableRule['approval']> => ({
  ...approval,
  required_groups,
  deny_quorum,
  sign_in_max_age_seconds,
  authentication_context: approval.authentication_context ?? null,
});

const inFull = (rule: Rule): TableRule => ({
  id: rule.id,
  any_agent: rule.agents === 'any',
  agents: rule.agents === 'any' ? {} : allOf(rule.agents),
  roles: rule.roles ?? [],
  environments: allOf(rule.environments ?? ENVIRONMENTS),
  sensitivities: allOf(rule.sensitivities ?? SENSITIVITIES),
  decision: rule.decision,
  public_reason: rule.public_reason,
  internal_reason: rule.internal_reason,
  ...(rule.decision === 'deny'
    ? { token_seconds: null, grant_seconds: null, max_tokens: null, ...NO_DEMANDS }
    : {
        token_seconds: rule.token_seconds,
        grant_seconds: rule.grant_seconds ?? null,
        max_tokens: rule.max_tokens ?? null,
        require_key_binding: rule.require_key_binding ?? false,
        refuse_client_secret: rule.refuse_client_secret ?? false,
      }),
  denial_hold_seconds:
    (rule.decision === 'needs_approval' ? rule.denial_hold_seconds : undefined) ?? DENIAL_HOLD_SECONDS,
  approval: rule.decision === 'needs_approval' ? approvalInFull(rule.approval) : null,
});

/** Keys rules by every audience and scope they are about. */
export const tableOf = (rules: readonly Rule[]): RuleTable => {
  const table = new Map<string, Map<string, Map<string, TableRule>>>();
  const within = <Value>(map: Map<string, Map<string, Value>>, key: string): Map<string, Value> => {
    const found = map.get(key) ?? new Map<string, Value>();
    map.set(key, found);
    return found;
  };
  for (const rule of rules) {
    const full = inFull(rule);
    for (const audience of [rule.resource].flat()) {
      for (const scope of rule.scopes) within(within(table, audience), scope).set(rule.id, full);
    }
  }
  const plain = <From, To>(map: Map<string, From>, to: (value: From) => To): Record<string, To> =>
    Object.fromEntries([...map].map(([key, value]) => [key, to(value)]));
  return { rules: plain(table, (scopes) => plain(scopes, (found) => plain(found, (full) => full))) };
};
