/** The PDP's question and answer: plain data, so that both can be stored, replayed and explained. */

/** What the policy is asked. Verified and registered facts only: no text of the agent is ever among them. */
export type PolicyInput = {
  /** Seconds since the epoch: the policy has no clock of its own. */
  readonly now: number;
  readonly agent: { readonly id: string; readonly environment: string | null };
  readonly workload: {
    readonly tenant: string;
    readonly object: string;
    readonly application: string;
    readonly credential: string;
    readonly roles: readonly string[];
  };
  readonly resource: {
    readonly audience: string;
    readonly environment: 'dev' | 'test' | 'prod';
    readonly sensitivity: 'low' | 'moderate' | 'high' | 'critical';
  };
  /** Actions asked for, sorted, without duplicates, never empty. */
  readonly scopes: readonly string[];
  /** RFC 9396, as checked against the registry; empty array if none. */
  readonly authorization_details: readonly Readonly<Record<string, unknown>>[];
  /** Whether the caller proved possession of a key. */
  readonly key_bound: boolean;
};

/** What an approval takes and what it opens; present exactly when the decision is `needs_approval`. */
export type ApprovalTerms = {
  /** Entra app roles `Approver.<group>`; holding one of them makes a person eligible. Sorted, never empty. */
  readonly groups: readonly string[];
  /** Of the groups, those that must each be among the approvers, by a different person each. Sorted. */
  readonly requiredGroups: readonly string[];
  /** Distinct people needed, at least 1 and at least one for each required group. */
  readonly quorum: number;
  /** Distinct people whose denial denies, at least 1. */
  readonly denyQuorum: number;
  /** The oldest sign-in that may vote, seconds. */
  readonly signInSeconds: number;
  /** Entra authentication contexts (`acrs`) that a voter's sign-in must have satisfied, all of them. Sorted. */
  readonly authenticationContexts: readonly string[];
  /** How long the request waits for a decision, seconds. */
  readonly pendingSeconds: number;
  /** How long an approval waits to be picked up, seconds. */
  readonly pickupSeconds: number;
};

/** The PDP's answer. A denial opens nothing: its lifetimes and counts are 0. */
export type Decision = {
  readonly decision: 'permit' | 'needs_approval' | 'deny';
  /**
   * The rule that decided; `default` when an action has no rule that matches, `no-common-group` when nobody may
   * approve all of the actions, else `MALFORMED_RESULT` or `REFUSED_INPUT` (verdict.ts).
   */
  readonly rule: string;
  /** Every rule that matched, sorted. */
  readonly matched: readonly string[];
  /** ASCII text that the agent may see. */
  readonly publicReason: string;
  /** For approvers, operators and the audit trail. */
  readonly internalReason: string;
  /** Longest life of one token, seconds, already capped for the environment. */
  readonly tokenSeconds: number;
  /** Longest life of the grant, seconds, at least `tokenSeconds`. */
  readonly grantSeconds: number;
  /** How many tokens may ever be minted under the grant; null: no limit but time. */
  readonly maxTokens: number | null;
  /** How long a person's denial holds, seconds. */
  readonly denialHoldSeconds: number;
  readonly approval: ApprovalTerms | null;
  /** SHA-256 of the RFC 8785 form of the input, hex; of the reason for a refused input that has no such form. */
  readonly inputDigest: string;
  /** Revision of the bundle that decided. */
  readonly bundleRevision: string;
};
