/** An explanation as a person reads it: the answer first, what it would open, who may approve, then every rule. */
import type { ApprovalTerms, PolicyInput } from './decision.ts';
import type { Explanation, UnmetCondition, WeighedRule } from './explain.ts';
import type { TableRule } from './rule-table.ts';
import { SIGN_IN_MAX_AGE_SECONDS, TOKEN_SECONDS_CAPS } from './rules.ts';
import type { Verdict } from './verdict.ts';

/** A question and its explanation, and who owns the agent (tenant/object), where that is known. */
export type Explained = {
  readonly input: PolicyInput;
  readonly explanation: Explanation;
  readonly owners: readonly string[];
};

const ANSWERS = { permit: 'PERMIT', needs_approval: 'NEEDS APPROVAL', deny: 'DENY' } as const;

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const names = (set: Readonly<Record<string, true>>): string => Object.keys(set).join(', ') || 'none';

const wanted = (rule: TableRule, condition: UnmetCondition, input: PolicyInput): string => {
  switch (condition) {
    case 'agent':
      return `it is for ${names(rule.agents)}`;
    case 'roles':
      return `it wants the roles ${rule.roles.join(', ')}; the workload has ${input.workload.roles.join(', ') || 'none'}`;
    case 'environment':
      return `it is for ${names(rule.environments)}; the API is ${input.resource.environment}`;
    case 'sensitivity':
      return `it is for ${names(rule.sensitivities)} sensitivity; the API's is ${input.resource.sensitivity}`;
  }
};

/** Whether no stricter rule matched for the same scope: then its limits bind the token. */
const decidesItsScope = (weighed: WeighedRule, { rules }: Explanation): boolean =>
  weighed.unmet.length === 0 &&
  (weighed.rule.decision !== 'permit' ||
    rules.every(
      ({ scope, rule, unmet }) => scope !== weighed.scope || unmet.length > 0 || rule.decision === 'permit',
    ));

/** What a rule that matches demands of the caller and did not get. */
const missing = (rule: TableRule, input: PolicyInput): string | null => {
  if (rule.refuse_client_secret && input.workload.credential !== 'certificate')
    return 'refuses a workload that signed in with a client secret';
  return rule.require_key_binding && !input.key_bound ? 'demands a proof key that is not there' : null;
};

const weighedLine = (weighed: WeighedRule, { input, explanation }: Explained): string => {
  const { rule, unmet } = weighed;
  const demand = missing(rule, input);
  if (unmet.length > 0) {
    const reasons = unmet.map((condition) => wanted(rule, condition, input));
    return `    ${rule.id} (${rule.decision}) does not match: ${reasons.join('; ')}`;
  }
  const role =
    rule.id === explanation.verdict.rule
      ? 'matches and decides'
      : decidesItsScope(weighed, explanation)
        ? 'matches; its limits count, too'
        : 'matches; a stricter rule stands above it';
  return `    ${rule.id} (${rule.decision}) ${demand === null ? role : `matches, and ${demand}`}`;
};

const limitLines = (verdict: Verdict, { input, explanation }: Explained): string[] => {
  if (verdict.decision === 'deny') return [];
  const { environment } = input.resource;
  const cap = TOKEN_SECONDS_CAPS[environment];
  const own = Math.min(
    ...explanation.rules.flatMap((weighed) =>
      decidesItsScope(weighed, explanation) ? (weighed.rule.token_seconds ?? []) : [],
    ),
  );
  const count =
    verdict.maxTokens === null ? 'any number of tokens' : `at most ${many(verdict.maxTokens, 'token')}`;
  return [
    `  token: ${verdict.tokenSeconds} s (rules give ${own} s, ${environment} allows ${cap} s)`,
    `  grant: ${verdict.grantSeconds} s, ${count}`,
  ];
};

const signInLines = ({ signInSeconds, authenticationContexts }: ApprovalTerms): string[] => [
  ...(signInSeconds < SIGN_IN_MAX_AGE_SECONDS ? [`  signed in at most ${signInSeconds} s ago`] : []),
  ...authenticationContexts.map((id) => `  signed in with the authentication context ${id} of Entra`),
];

const approvalLines = (verdict: Verdict, { owners }: Explained): string[] => {
  if (verdict.approval === null) return [];
  const { approval } = verdict;
  const { groups, requiredGroups, quorum, denyQuorum, pendingSeconds, pickupSeconds } = approval;
  return [
    `  approval: by ${quorum === 1 ? '1 person' : `${quorum} different people`} with the Entra role ${groups.map((group) => `Approver.${group}`).join(' or ')}`,
    ...(requiredGroups.length > 0
      ? [`  among them one of each of ${requiredGroups.map((group) => `Approver.${group}`).join(' and ')}`]
      : []),
    ...signInLines(approval),
    ...(denyQuorum > 1 ? [`  denied by ${denyQuorum} different people`] : []),
    ...(owners.length > 0 ? [`  never by an owner or sponsor of the agent: ${owners.join(', ')}`] : []),
    `  waits ${pendingSeconds} s for a decision, ${pickupSeconds} s to be picked up; a denial holds ${verdict.denialHoldSeconds} s`,
  ];
};

/** Renders lines for a terminal. */
export const explanationText = (explained: Explained): string[] => {
  const { input, explanation } = explained;
  const { verdict, rules } = explanation;
  const { audience, environment, sensitivity } = input.resource;
  return [
    `${input.agent.id} asks ${audience} (${environment}, ${sensitivity}) for ${input.scopes.join(' ')}`,
    `${ANSWERS[verdict.decision]} by rule ${verdict.rule}`,
    `  told to the agent: ${verdict.publicReason}`,
    `  told to people: ${verdict.internalReason}`,
    ...limitLines(verdict, explained),
    ...approvalLines(verdict, explained),
    ...input.scopes.flatMap((scope) => {
      const about = rules.filter((weighed) => weighed.scope === scope);
      return [
        `  rules about ${scope}:`,
        ...(about.length === 0
          ? ['    none, so it is denied']
          : about.map((weighed) => weighedLine(weighed, explained))),
      ];
    }),
  ];
};
