/**
 * What rules ask of approvers beyond groups and quorum. It is read from the rules that the module says matched, not
 * by the module itself: a module that was compiled before rules could ask for it would leave it out unseen.
 */
import type { ApprovalTerms, PolicyInput } from './decision.ts';
import type { RuleTable } from './rule-table.ts';

/** A question, as far as it leads to rules. */
export type Asked = {
  readonly resource: Pick<PolicyInput['resource'], 'audience' | 'environment'>;
  readonly scopes: readonly string[];
};

export type ApprovalDemands = Pick<
  ApprovalTerms,
  'requiredGroups' | 'denyQuorum' | 'signInSeconds' | 'authenticationContexts'
>;

const inOrder = (names: readonly string[]): string[] => [...new Set(names)].sort();

/** All that the matched rules demand together: of several the strictest, and a denial by the fewest. */
export const demandsOf = (
  { rules }: RuleTable,
  { resource, scopes }: Asked,
  matched: readonly string[],
): ApprovalDemands => {
  const approvals = scopes.flatMap((scope) =>
    matched.flatMap((id) => rules[resource.audience]?.[scope]?.[id]?.approval ?? []),
  );
  return {
    requiredGroups: inOrder(approvals.flatMap((approval) => approval.required_groups)),
    denyQuorum: Math.min(...approvals.map((approval) => approval.deny_quorum)),
    signInSeconds: Math.min(...approvals.map((approval) => approval.sign_in_max_age_seconds)),
    authenticationContexts: inOrder(
      approvals.flatMap(({ authentication_context: context }) => (context === null ? [] : [context])),
    ),
  };
};
