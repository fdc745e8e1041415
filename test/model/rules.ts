/**
 * What the model's agents may ask for. Every lifetime ends 8 s before a multiple of ten, and time passes in tens, so
 * that the seconds in which a sequence really runs never decide what it meets.
 */
import type { Rule } from '../../src/policy/rules.ts';

export const AUDIENCE = 'api://thing.dev';
export const TOKEN_SECONDS = 88;
export const GRANT_SECONDS = 998;
export const PENDING_SECONDS = 708;
export const PICKUP_SECONDS = 398;
export const HOLD_SECONDS = 1308;

/** Seconds that may pass at once: to a rotation and not yet, past a token, a pick-up, a pending request, a grant. */
export const PASSES = [30, 50, 60, 90, 400, 1_000] as const;

/** Seconds that pass when what an agent has is taken back: in that very second nothing is issued. */
export const TAKEN_BACK_SECONDS = 10;

export type Kind = {
  /** What the rule says. */
  readonly decision: 'permit' | 'needs_approval' | 'deny';
  readonly quorum: number;
  readonly denyQuorum: number;
  readonly grantSeconds: number;
  readonly maxTokens: number | null;
};

/** By the action that is asked for. */
export const KINDS = {
  read: { decision: 'permit', quorum: 0, denyQuorum: 0, grantSeconds: TOKEN_SECONDS, maxTokens: null },
  watch: { decision: 'permit', quorum: 0, denyQuorum: 0, grantSeconds: GRANT_SECONDS, maxTokens: 3 },
  write: {
    decision: 'needs_approval',
    quorum: 1,
    denyQuorum: 1,
    grantSeconds: GRANT_SECONDS,
    maxTokens: null,
  },
  once: { decision: 'needs_approval', quorum: 1, denyQuorum: 1, grantSeconds: GRANT_SECONDS, maxTokens: 1 },
  pay: { decision: 'needs_approval', quorum: 2, denyQuorum: 1, grantSeconds: GRANT_SECONDS, maxTokens: 2 },
  ship: {
    decision: 'needs_approval',
    quorum: 2,
    denyQuorum: 2,
    grantSeconds: GRANT_SECONDS,
    maxTokens: null,
  },
  burn: { decision: 'deny', quorum: 0, denyQuorum: 0, grantSeconds: 0, maxTokens: null },
} as const satisfies Record<string, Kind>;

export type Scope = keyof typeof KINDS;
export const SCOPES = Object.keys(KINDS) as Scope[];

const ruleOf = (scope: Scope, isDenied: boolean): Rule => {
  const { decision, quorum, denyQuorum, grantSeconds, maxTokens }: Kind = KINDS[scope];
  const common = {
    id: scope,
    resource: AUDIENCE,
    scopes: [scope],
    agents: 'any' as const,
    public_reason: 'Told to the agent.',
    internal_reason: 'Told to people.',
  };
  if (isDenied || decision === 'deny') return { ...common, decision: 'deny' };
  const lifetimes = {
    token_seconds: TOKEN_SECONDS,
    grant_seconds: grantSeconds,
    ...(maxTokens !== null && { max_tokens: maxTokens }),
  };
  if (decision === 'permit') return { ...common, decision, ...lifetimes };
  const approval = {
    groups: ['thing'],
    quorum,
    deny_quorum: denyQuorum,
    pending_seconds: PENDING_SECONDS,
    pickup_seconds: PICKUP_SECONDS,
  };
  return { ...common, decision, ...lifetimes, approval, denial_hold_seconds: HOLD_SECONDS };
};

export const RULES: readonly Rule[] = SCOPES.map((scope) => ruleOf(scope, false));

/** What the stricter policy denies besides: one that the other permits, and one that it leaves to people. */
export const STRICTLY_DENIED: readonly Scope[] = ['watch', 'write'];

export const STRICT_RULES: readonly Rule[] = SCOPES.map((scope) =>
  ruleOf(scope, STRICTLY_DENIED.includes(scope)),
);
