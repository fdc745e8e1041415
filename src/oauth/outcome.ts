/** How an exchange ends, before it is spelled for the wire. */
import type { Exceeded } from '../limits/exceeded.ts';
import type { Reason } from '../reasons.ts';
import type { Resource } from '../registry/registry.ts';

export type Issued = {
  readonly kind: 'issued';
  readonly requestId: string;
  readonly agentId: string;
  readonly resource: Resource;
  readonly scopes: readonly string[];
  readonly authorizationDetails: readonly Readonly<Record<string, unknown>>[];
  readonly issuedTokenType: string;
  /** Thumbprint of the key that the request was opened with, null for a bearer token. */
  readonly proofKey: string | null;
  readonly jti: string;
  /** The key that signs it. */
  readonly kid: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** Until when repeats get the next token without being decided anew. */
  readonly grantedUntil: Date;
  /** The database's clock when this was decided. */
  readonly now: Date;
};

export type Pending = {
  readonly kind: 'pending';
  readonly requestId: string;
  readonly agentId: string;
  /** Seconds to wait before the next repeat. */
  readonly intervalSeconds: number;
  /** Seconds until the request expires, or an approval that has not begun lapses. */
  readonly expiresInSeconds: number;
  /** When what was approved begins; null: nothing is approved. */
  readonly startsAt: Date | null;
  /** The request was repeated faster than the interval. */
  readonly early: boolean;
};

export type Refused = {
  readonly kind: 'refused';
  readonly reason: Reason;
  /** The access request, or the fresh id under which the refusal was told; null if nobody was identified. */
  readonly requestId: string | null;
  /** The rule's public text, where a rule refused. */
  readonly publicReason?: string;
};

/** A limit was reached before anything was decided. */
export type Throttled = {
  readonly kind: 'throttled';
  readonly exceeded: Exceeded;
  /** The id under which it was told; null if nobody was identified. */
  readonly requestId: string | null;
};

export type Outcome = Issued | Pending | Refused | Throttled;

export const refused = (reason: Reason, requestId: string | null, publicReason?: string): Refused => ({
  kind: 'refused',
  reason,
  requestId,
  ...(publicReason !== undefined && { publicReason }),
});

export const throttled = (exceeded: Exceeded, requestId: string | null): Throttled => ({
  kind: 'throttled',
  exceeded,
  requestId,
});
