/**
 * What came back from the evaluation, read strictly: the one place where a policy's answer becomes a decision, and
 * where everything that is not exactly an answer becomes a denial. The caps of the environment are applied once
 * more, so that no bundle can hand out a token that outlives them.
 */
import { z } from 'zod';
import { type Asked, demandsOf } from './approval-demands.ts';
import type { ApprovalTerms, Decision } from './decision.ts';
import type { RuleTable } from './rule-table.ts';
import { TOKEN_SECONDS_CAPS } from './rules.ts';

/** `rule` of a denial that stands for an answer which was none: undefined, malformed, contradictory, unknown. */
export const MALFORMED_RESULT = 'malformed-result';
/** `rule` of a denial that stands for a question which was not put to policy: too long, or of no canonical form. */
export const REFUSED_INPUT = 'refused-input';

/** `rule` of a denial because nobody may approve all that was asked for; the module gives it, too. */
const NO_COMMON_GROUP = 'no-common-group';
const NO_COMMON_GROUP_REASON =
  'No approver may decide on all of these actions together; ask for them one by one.';

/** A decision without the names of its question and its bundle. */
export type Verdict = Omit<Decision, 'inputDigest' | 'bundleRevision'>;

const ruleId = z.string().min(1).max(64);
const seconds = z.int().min(1);
const reasons = {
  public_reason: z
    .string()
    .max(300)
    .regex(/^[\x20-\x7e]+$/),
  internal_reason: z.string().max(70_000),
};
const allowed = {
  ...reasons,
  rule: ruleId,
  matched: z.array(ruleId).min(1),
  token_seconds: seconds,
  grant_seconds: seconds,
  max_tokens: seconds.nullable(),
  denial_hold_seconds: seconds,
};

const answer = z.discriminatedUnion('decision', [
  z.strictObject({ decision: z.literal('permit'), ...allowed, approval: z.null() }),
  z.strictObject({
    decision: z.literal('needs_approval'),
    ...allowed,
    approval: z.strictObject({
      groups: z.array(z.string().min(1)).min(1),
      quorum: z.int().min(1),
      pending_seconds: seconds,
      pickup_seconds: seconds,
    }),
  }),
  z.strictObject({
    decision: z.literal('deny'),
    ...reasons,
    rule: ruleId,
    matched: z.array(ruleId),
    token_seconds: z.literal(0),
    grant_seconds: z.literal(0),
    max_tokens: z.literal(0),
    denial_hold_seconds: z.literal(0),
    approval: z.null(),
  }),
]);

/** OPA's result set: one result of one entrypoint, nothing else. */
const resultSet = z.tuple([z.strictObject({ result: answer })]);

/** A denial that no rule gave. */
export const denial = (rule: string, publicReason: string, internalReason: string): Verdict => ({
  decision: 'deny',
  rule,
  matched: [],
  publicReason,
  internalReason,
  tokenSeconds: 0,
  grantSeconds: 0,
  maxTokens: 0,
  denialHoldSeconds: 0,
  approval: null,
});

const malformed = (detail: string): Verdict =>
  denial(MALFORMED_RESULT, 'Policy gave no usable answer, so the answer is no.', detail.slice(0, 2000));

type Answer = z.infer<typeof answer>;

const approvalTerms = (
  { approval, matched }: Answer & { decision: 'needs_approval' },
  asked: Asked,
  table: RuleTable,
): ApprovalTerms => {
  const demands = demandsOf(table, asked, matched);
  return {
    groups: approval.groups,
    quorum: Math.max(approval.quorum, demands.requiredGroups.length),
    ...demands,
    pendingSeconds: approval.pending_seconds,
    pickupSeconds: approval.pickup_seconds,
  };
};

/**
 * Reads the result set of a question about these rules. Anything but one exact answer is a denial by
 * `MALFORMED_RESULT`.
 */
export const readVerdict = (raw: unknown, asked: Asked, table: RuleTable): Verdict => {
  const { data, error } = resultSet.safeParse(raw);
  if (error) return malformed(`The policy's answer was not understood: ${z.prettifyError(error)}`);
  const [{ result }] = data;
  const tokenSeconds = Math.min(result.token_seconds, TOKEN_SECONDS_CAPS[asked.resource.environment]);
  if (result.grant_seconds < tokenSeconds) return malformed('The grant is shorter than its token.');
  if (result.decision !== 'deny' && !result.matched.includes(result.rule)) {
    return malformed(`The rule that decided, ${result.rule}, is not among those that matched.`);
  }
  const approval = result.decision === 'needs_approval' ? approvalTerms(result, asked, table) : null;
  if (approval !== null && !Number.isFinite(approval.denyQuorum)) {
    return malformed('None of the rules that matched asks for an approval.');
  }
  if (approval?.requiredGroups.some((group) => !approval.groups.includes(group))) {
    return denial(
      NO_COMMON_GROUP,
      NO_COMMON_GROUP_REASON,
      'A group that must approve may not, by another rule.',
    );
  }
  return {
    decision: result.decision,
    rule: result.rule,
    matched: result.matched,
    publicReason: result.public_reason,
    internalReason: result.internal_reason,
    tokenSeconds,
    grantSeconds: result.grant_seconds,
    maxTokens: result.max_tokens,
    denialHoldSeconds: result.denial_hold_seconds,
    approval,
  };
};

/** The denial for an evaluation that ended in an error of the policy itself (a conflict, a missing function). */
export const failedVerdict = (message: string): Verdict => malformed(`The policy failed: ${message}`);
