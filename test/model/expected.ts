/**
 * What must come of everything that can be done to the requests of one agent, said once more and as plainly as it can
 * be: no database, no locks, a clock that only moves when it is told to.
 */
import {
  GRANT_SECONDS,
  HOLD_SECONDS,
  KINDS,
  type Kind,
  PENDING_SECONDS,
  PICKUP_SECONDS,
  type Scope,
  TOKEN_SECONDS,
} from './rules.ts';

/** How an exchange names its request: a key of its own, what it asks for, or the broker's id. */
export type Key = { readonly kind: 'own' | 'digest' } | { readonly kind: 'broker'; readonly request: number };

/** What an exchange must answer. Requests and tokens are numbered in the order in which they come to be. */
export type Expected =
  | { readonly kind: 'issued'; readonly request: number; readonly token: number }
  | { readonly kind: 'pending'; readonly request: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly requests: readonly number[] | null };

type Grant = {
  state: 'offered' | 'active' | 'revoked' | 'lapsed' | 'expired';
  until: number;
  readonly pickupUntil: number;
  tokensLeft: number;
  current: { readonly token: number; readonly issuedAt: number; readonly expiresAt: number } | null;
};

export type Request = {
  readonly number: number;
  readonly scope: Scope;
  state: 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'permitted';
  readonly pendingUntil: number;
  readonly voters: Set<number>;
  deniedUntil: number;
  grant: Grant | null;
};

const refusal = (reason: string, requests: readonly number[] | null = null): Expected => ({
  kind: 'refused',
  reason,
  requests,
});

export class ExpectedAgent {
  readonly requests: Request[] = [];
  enabled = true;
  now = 0;
  private tokens = 0;
  private readonly byKey = new Map<string, Request>();

  isWaiting = ({ state, pendingUntil }: Request): boolean => state === 'pending' && this.now < pendingUntil;

  isLive = (request: Request): boolean => request.grant !== null && !this.isOver(request.grant);

  /** How a vote ends; `voter` is the number of a person who may decide. */
  vote(request: Request, voter: number, verdict: 'approve' | 'deny'): string {
    if (!this.isWaiting(request)) return 'already_decided';
    if (request.voters.has(voter)) return 'already_voted';
    if (verdict === 'deny') {
      request.state = 'denied';
      request.deniedUntil = this.now + HOLD_SECONDS;
      return 'denied';
    }
    request.voters.add(voter);
    const { quorum, maxTokens }: Kind = KINDS[request.scope];
    if (request.voters.size < quorum) return 'counted';
    request.state = 'approved';
    request.grant = {
      state: 'offered',
      until: this.now + GRANT_SECONDS,
      pickupUntil: this.now + PICKUP_SECONDS,
      tokensLeft: maxTokens ?? Number.POSITIVE_INFINITY,
      current: null,
    };
    return 'approved';
  }

  exchange(key: Key, scope: Scope): Expected {
    if (!this.enabled) return refusal('agent_disabled');
    const request =
      key.kind === 'broker' ? this.requests[key.request] : this.byKey.get(this.nameOf(key, scope));
    if (request === undefined) return this.openUnlessDenied(key, scope);
    if (request.scope !== scope) return refusal('request_id_reused');
    if (request.state === 'pending' && !this.isWaiting(request)) request.state = 'expired';
    const deniers = this.deniersOf(scope);
    if (deniers.length > 0 && (request.state === 'pending' || request.state === 'permitted'))
      return refusal('denied_by_approver', deniers);
    if (request.state === 'pending') return { kind: 'pending', request: request.number };
    if (request.state === 'approved' || request.state === 'permitted') return this.deliver(key, request);
    if (key.kind === 'digest') return this.openUnlessDenied(key, scope);
    const reason = {
      denied: 'denied_by_approver',
      expired: 'request_expired',
      cancelled: 'request_cancelled',
    };
    return refusal(reason[request.state], [request.number]);
  }

  private nameOf = (key: Key, scope: Scope): string => (key.kind === 'own' ? 'own' : `digest of ${scope}`);

  private deniersOf = (scope: Scope): number[] =>
    this.requests
      .filter((request) => request.scope === scope && request.deniedUntil > this.now)
      .map(({ number }) => number);

  private openUnlessDenied(key: Key, scope: Scope): Expected {
    const deniers = this.deniersOf(scope);
    if (deniers.length > 0) return refusal('denied_by_approver', deniers);
    const { decision, grantSeconds, maxTokens }: Kind = KINDS[scope];
    if (decision === 'deny') return refusal('denied_by_policy');
    if (key.kind === 'broker') return refusal('grant_over', [key.request]);
    const request: Request = {
      number: this.requests.length,
      scope,
      state: decision === 'permit' ? 'permitted' : 'pending',
      pendingUntil: this.now + PENDING_SECONDS,
      voters: new Set(),
      deniedUntil: 0,
      grant: null,
    };
    this.requests.push(request);
    this.byKey.set(this.nameOf(key, scope), request);
    if (decision !== 'permit') return { kind: 'pending', request: request.number };
    const until = this.now + grantSeconds;
    const tokensLeft = (maxTokens ?? Number.POSITIVE_INFINITY) - 1;
    const current = { token: this.tokens, issuedAt: this.now, expiresAt: this.now + TOKEN_SECONDS };
    request.grant = { state: 'active', until, pickupUntil: until, tokensLeft, current };
    this.tokens += 1;
    return { kind: 'issued', request: request.number, token: current.token };
  }

  private isOver = (grant: Grant): boolean =>
    !['offered', 'active'].includes(grant.state) ||
    grant.until <= this.now ||
    (grant.state === 'offered' && grant.pickupUntil <= this.now);

  private deliver(key: Key, request: Request): Expected {
    const { grant } = request;
    if (grant === null) throw new Error('nothing was granted');
    if (grant.state === 'revoked' && (key.kind !== 'digest' || this.now < grant.until))
      return refusal('grant_revoked', [request.number]);
    if (this.isOver(grant)) return this.answerOver(key, request, grant);
    const { current } = grant;
    const mayMint = grant.tokensLeft > 0;
    if (current === null) return this.mint(request, grant);
    const left = current.expiresAt - this.now;
    if (left <= 0 && !mayMint) return this.answerOver(key, request, grant);
    const isYoung = left > (current.expiresAt - current.issuedAt) / 3;
    const successorEnds = Math.min(this.now + TOKEN_SECONDS, grant.until);
    if (!isYoung && mayMint && successorEnds > current.expiresAt) return this.mint(request, grant);
    if (left <= 0) return this.answerOver(key, request, grant);
    if (!isYoung && request.state === 'permitted' && key.kind !== 'broker')
      return this.openUnlessDenied(key, request.scope);
    return { kind: 'issued', request: request.number, token: current.token };
  }

  private mint(request: Request, grant: Grant): Expected {
    const expiresAt = Math.min(this.now + TOKEN_SECONDS, grant.until);
    grant.current = { token: this.tokens, issuedAt: this.now, expiresAt };
    grant.state = 'active';
    grant.tokensLeft -= 1;
    if (grant.tokensLeft === 0) grant.until = expiresAt;
    this.tokens += 1;
    return { kind: 'issued', request: request.number, token: grant.current.token };
  }

  private answerOver(key: Key, request: Request, grant: Grant): Expected {
    if (grant.state === 'offered') grant.state = 'lapsed';
    if (grant.state === 'active') grant.state = 'expired';
    if (key.kind === 'digest' || (key.kind === 'own' && request.state === 'permitted'))
      return this.openUnlessDenied(key, request.scope);
    return refusal(grant.state === 'lapsed' ? 'approval_lapsed' : 'grant_over', [request.number]);
  }
}
