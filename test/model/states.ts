/** What the model keeps of an agent's requests, and what it says of them. */
import type { Scope } from './rules.ts';

/** How an exchange names its request: a key of its own, what it asks for, or the broker's id. */
export type Key = { readonly kind: 'own' | 'digest' } | { readonly kind: 'broker'; readonly request: number };

/** What an exchange must answer. Requests and tokens are numbered in the order in which they come to be. */
export type Expected =
  | { readonly kind: 'issued'; readonly request: number; readonly token: number }
  | { readonly kind: 'pending'; readonly request: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly requests: readonly number[] | null };

export type Token = {
  readonly number: number;
  readonly request: Request;
  readonly issuedAt: number;
  readonly expiresAt: number;
  revoked: boolean;
};

/** Who may take a grant back before its time. */
export type EndedBy = 'operator' | 'agent' | 'block' | 'policy';

export type Grant = {
  state: 'offered' | 'active' | 'lapsed' | 'expired' | EndedBy;
  until: number;
  readonly pickupUntil: number;
  tokensLeft: number;
  current: Token | null;
};

export type Request = {
  readonly number: number;
  readonly scope: Scope;
  state: 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'permitted';
  readonly pendingUntil: number;
  maxTokens: number;
  /** What counts of each person: a vote on the terms as they are, or a denial of earlier ones. */
  readonly votes: Map<number, { readonly verdict: 'approve' | 'deny'; present: boolean }>;
  deniedUntil: number;
  grant: Grant | null;
};

export type Vote = {
  readonly voter: number;
  readonly verdict: 'approve' | 'deny';
  /** What is left of the terms; all of it if it is not said. */
  readonly leaves?: { readonly maxTokens?: number } | undefined;
};
