/**
 * What must come of everything that can be done to the requests of one agent, said once more and as plainly as it can
 * be: no database, no locks, a clock that only moves when it is told to.
 */
import { ExpectedState } from './expected-state.ts';
import { KINDS, type Kind, PENDING_SECONDS, type Scope, STRICTLY_DENIED, TOKEN_SECONDS } from './rules.ts';
import type { Expected, Grant, Key, Request } from './states.ts';

const refusal = (reason: string, requests: readonly number[] | null = null): Expected => ({
  kind: 'refused',
  reason,
  requests,
});

export class ExpectedAgent extends ExpectedState {
  /** The same once more, to try an order of things on. */
  copy(): ExpectedAgent {
    return Object.assign(new ExpectedAgent(), structuredClone({ ...this }));
  }

  /** Is from now on as `other`, which is used no more. */
  become(other: ExpectedAgent): void {
    Object.assign(this, other);
  }

  /** `outdated`: by an assertion from before everything else. */
  exchange(key: Key, scope: Scope, outdated = false): Expected {
    if (!this.enabled) return refusal('agent_disabled');
    if (this.blocked) return refusal('blocked');
    if (this.superseded && outdated) return refusal('assertion_superseded');
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

  private nameOf(key: Key, scope: Scope): string {
    return key.kind === 'own' ? 'own' : `digest of ${scope}`;
  }

  private deniersOf(scope: Scope): number[] {
    return this.requests
      .filter((request) => request.scope === scope && request.deniedUntil > this.now)
      .map(({ number }) => number);
  }

  private isForbidden(scope: Scope): boolean {
    return KINDS[scope].decision === 'deny' || (this.strict && STRICTLY_DENIED.includes(scope));
  }

  private openUnlessDenied(key: Key, scope: Scope): Expected {
    const deniers = this.deniersOf(scope);
    if (deniers.length > 0) return refusal('denied_by_approver', deniers);
    const { decision, grantSeconds, maxTokens }: Kind = KINDS[scope];
    if (this.isForbidden(scope)) return refusal('denied_by_policy');
    if (key.kind === 'broker') return refusal('grant_over', [key.request]);
    const request: Request = {
      number: this.requests.length,
      scope,
      state: decision === 'permit' ? 'permitted' : 'pending',
      pendingUntil: this.now + PENDING_SECONDS,
      maxTokens: maxTokens ?? Number.POSITIVE_INFINITY,
      votes: new Map(),
      deniedUntil: 0,
      grant: null,
    };
    this.requests.push(request);
    this.byKey.set(this.nameOf(key, scope), request);
    if (decision !== 'permit') return { kind: 'pending', request: request.number };
    const until = this.now + grantSeconds;
    request.grant = {
      state: 'offered',
      until,
      pickupUntil: until,
      tokensLeft: request.maxTokens,
      current: null,
    };
    return this.mint(request, request.grant);
  }

  private deliver(key: Key, request: Request): Expected {
    const { grant } = request;
    if (grant === null) throw new Error('nothing was granted');
    if (grant.state === 'agent')
      return key.kind === 'digest'
        ? this.openUnlessDenied(key, request.scope)
        : refusal('request_cancelled', [request.number]);
    const takenBack = grant.state === 'operator' && this.now < grant.until;
    if (takenBack || (key.kind !== 'digest' && ['operator', 'block', 'policy'].includes(grant.state)))
      return refusal('grant_revoked', [request.number]);
    if (this.isOver(grant)) return this.answerOver(key, request, grant);
    if (this.isForbidden(request.scope)) return this.loseGrant(key, request);
    const current = grant.current?.revoked ? null : grant.current;
    const mayMint = grant.tokensLeft > 0;
    if (current === null) return mayMint ? this.mint(request, grant) : this.answerOver(key, request, grant);
    const left = current.expiresAt - this.now;
    if (left <= 0 && !mayMint) return this.answerOver(key, request, grant);
    const isYoung = left > (current.expiresAt - current.issuedAt) / 3;
    const successorEnds = Math.min(this.now + TOKEN_SECONDS, grant.until);
    if (!isYoung && mayMint && successorEnds > current.expiresAt) return this.mint(request, grant);
    if (left <= 0) return this.answerOver(key, request, grant);
    if (!isYoung && request.state === 'permitted' && key.kind !== 'broker')
      return this.openUnlessDenied(key, request.scope);
    return { kind: 'issued', request: request.number, token: current.number };
  }

  /** What policy permitted is asked anew; what people approved is over. */
  private loseGrant(key: Key, request: Request): Expected {
    if (request.state === 'permitted') return this.openUnlessDenied(key, request.scope);
    this.endGrant(request, 'policy');
    return refusal('denied_by_policy', [request.number]);
  }

  private mint(request: Request, grant: Grant): Expected {
    const expiresAt = Math.min(this.now + TOKEN_SECONDS, grant.until);
    grant.current = { number: this.tokens.length, request, issuedAt: this.now, expiresAt, revoked: false };
    this.tokens.push(grant.current);
    grant.state = 'active';
    grant.tokensLeft -= 1;
    if (grant.tokensLeft === 0) grant.until = expiresAt;
    return { kind: 'issued', request: request.number, token: grant.current.number };
  }

  private answerOver(key: Key, request: Request, grant: Grant): Expected {
    if (this.isOver(grant) && grant.state === 'offered') grant.state = 'lapsed';
    if (this.isOver(grant) && grant.state === 'active') grant.state = 'expired';
    if (key.kind === 'digest' || (key.kind === 'own' && request.state === 'permitted'))
      return this.openUnlessDenied(key, request.scope);
    return refusal(grant.state === 'lapsed' ? 'approval_lapsed' : 'grant_over', [request.number]);
  }
}
