/**
 * A bundle may join rules with a module that was compiled before a demand of theirs existed. Such a module would let
 * pass what the rule refuses; a case of its own shows it before the bundle is put in force.
 */
import type { PolicyCase } from './cases.ts';
import type { RuleTable, TableRule } from './rule-table.ts';
import { ENVIRONMENTS, SENSITIVITIES } from './rules.ts';

const refusedBy = (rule: TableRule, audience: string, scope: string): PolicyCase => ({
  name: `rule ${rule.id} refuses client secrets, and the compiled policy knows of it`,
  agent: Object.keys(rule.agents)[0] ?? 'any',
  roles: rule.roles,
  credential: 'secret',
  key_bound: true,
  resource: {
    audience,
    environment: ENVIRONMENTS.find((name) => rule.environments[name]) ?? 'prod',
    sensitivity: SENSITIVITIES.find((name) => rule.sensitivities[name]) ?? 'low',
  },
  scopes: [scope],
  expect: { decision: 'deny' },
});

/** The case of the first rule that refuses client secrets; none if no rule does. */
export const demandCases = ({ rules }: RuleTable): readonly PolicyCase[] => {
  for (const [audience, scopes] of Object.entries(rules)) {
    for (const [scope, about] of Object.entries(scopes)) {
      const rule = Object.values(about).find((candidate) => candidate.refuse_client_secret);
      if (rule !== undefined) return [refusedBy(rule, audience, scope)];
    }
  }
  return [];
};
