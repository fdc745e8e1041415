/**
 * Examples that travel with the rules: a bundle says itself what it must permit, must hold for approval and must
 * deny, and is put in force only where it does.
 */
import { z } from 'zod';
import type { Decision, PolicyInput } from './decision.ts';
import { ENVIRONMENTS, SENSITIVITIES } from './rules.ts';
import type { Verdict } from './verdict.ts';

const policyCase = z.strictObject({
  name: z.string().min(1).max(200),
  agent: z.string().min(1),
  roles: z.array(z.string()).optional(),
  credential: z.enum(['none', 'secret', 'certificate']).optional(),
  key_bound: z.boolean().optional(),
  resource: z.strictObject({
    audience: z.string().min(1),
    environment: z.enum(ENVIRONMENTS),
    sensitivity: z.enum(SENSITIVITIES),
  }),
  scopes: z.array(z.string().min(1)).min(1),
  expect: z.strictObject({
    decision: z.enum(['permit', 'needs_approval', 'deny']),
    rule: z.string().optional(),
    token_seconds: z.int().optional(),
    grant_seconds: z.int().optional(),
    max_tokens: z.int().nullable().optional(),
    denial_hold_seconds: z.int().optional(),
    groups: z.array(z.string()).optional(),
    required_groups: z.array(z.string()).optional(),
    quorum: z.int().optional(),
    deny_quorum: z.int().optional(),
    sign_in_max_age_seconds: z.int().optional(),
    authentication_contexts: z.array(z.string()).optional(),
  }),
});

/** The file of cases. Names are unique, so that a failure points at one. */
export const casesDocument = z.strictObject({
  cases: z
    .array(policyCase)
    .max(5000)
    .superRefine((cases, context) => {
      const seen = new Set<string>();
      for (const [index, { name }] of cases.entries()) {
        if (seen.has(name)) {
          context.addIssue({ code: 'custom', path: [index, 'name'], message: 'is used twice' });
        }
        seen.add(name);
      }
    }),
});

/** One example: a question in short, and what must come of it. */
export type PolicyCase = z.infer<typeof policyCase>;
export type CasesDocument = z.infer<typeof casesDocument>;

/** An id that stands for any: which workload an agent is, no rule asks. */
const ANY_ID = '00000000-0000-0000-0000-000000000000';

/** The question of a case, whole. */
export const inputOf = (example: PolicyCase): PolicyInput => ({
  now: 0,
  agent: { id: example.agent, environment: null },
  workload: {
    tenant: ANY_ID,
    object: ANY_ID,
    application: ANY_ID,
    credential: example.credential ?? 'secret',
    roles: example.roles ?? [],
  },
  resource: example.resource,
  scopes: [...new Set(example.scopes)].sort(),
  authorization_details: [],
  key_bound: example.key_bound ?? false,
});

const spelled = (verdict: Verdict | Decision): Required<PolicyCase['expect']> => ({
  decision: verdict.decision,
  rule: verdict.rule,
  token_seconds: verdict.tokenSeconds,
  grant_seconds: verdict.grantSeconds,
  max_tokens: verdict.maxTokens,
  denial_hold_seconds: verdict.denialHoldSeconds,
  groups: [...(verdict.approval?.groups ?? [])],
  required_groups: [...(verdict.approval?.requiredGroups ?? [])],
  quorum: verdict.approval?.quorum ?? 0,
  deny_quorum: verdict.approval?.denyQuorum ?? 0,
  sign_in_max_age_seconds: verdict.approval?.signInSeconds ?? 0,
  authentication_contexts: [...(verdict.approval?.authenticationContexts ?? [])],
});

/** What of a verdict differs from what the case expects, in words; empty if nothing does. */
export const differences = ({ expect }: PolicyCase, verdict: Verdict | Decision): string[] => {
  const found = spelled(verdict);
  return Object.entries(expect).flatMap(([field, wanted]) => {
    const is = JSON.stringify(found[field as keyof typeof found]);
    return is === JSON.stringify(wanted) ? [] : [`${field} is ${is}, expected ${JSON.stringify(wanted)}`];
  });
};
