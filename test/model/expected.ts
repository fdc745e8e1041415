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
  TAKEN_BACK_SECONDS,
  TOKEN_SECONDS,
} from './rules.ts';
import type { EndedBy, Expected, Grant, Key, Request, Token, Vote } from './states.ts';

const refusal = (reason: string, requests: readonly number[] | null = null): Expected => ({
  kind: 'refused',
  reason,
  requests,
});

export class ExpectedAgent {
  readonly requests: Request[] = [];
  enabled = true;
  now = 0;
  blocked = false;
  /** Whether assertions from before are believed no more. */
  superseded = false;
  readonly tokens: Token[] = [];
  private readonly byKey = new Map<string, Request>();

  isWaiting = ({ state, pendingUntil }: Request): boolean => state === 'pending' && this.now < pendingUntil;

  isLive = (request: Request): boolean => request.grant !== null && !this.isOver(request.grant);

  /** How a vote ends; `voter` is the number of a person who may decide. */
  vote(request: Request, { voter, verdict, leaves = {} }: Vote): string {
    const { votes } = request;
    if (!this.isWaiting(request)) return 'already_decided';
    if (votes.get(voter)?.present) return 'already_voted';
    const { maxTokens = request.maxTokens } = leaves;
    if (maxTokens !== request.maxTokens) this.narrow(request, maxTokens);
    votes.set(voter, { verdict, present: true });
    const { quorum, denyQuorum }: Kind = KINDS[request.scope];
    if (
      [...votes.values()].filter((cast) => cast.verdict === verdict).length <
      (verdict === 'deny' ? denyQuorum : quorum)
    )
      return 'counted';
    if (verdict === 'deny') {
      request.state = 'denied';
      request.deniedUntil = this.now + HOLD_SECONDS;
      return 'denied';
    }
    request.state = 'approved';
    request.grant = {
      state: 'offered',
      until: this.now + GRANT_SECONDS,
      pickupUntil: this.now + PICKUP_SECONDS,
      tokensLeft: request.maxTokens,
      current: null,
    };
    return 'approved';
  }

  /** Who said yes to more has not said it to this; who said no has. */
  private narrow(request: Request, maxTokens: number): void {
    request.maxTokens = maxTokens;
    for (const [voter, cast] of request.votes) {
      if (cast.verdict === 'approve') request.votes.delete(voter);
      cast.present = false;
    }
  }

  /** Lifts the denial of one request, if it holds. */
  liftDenial(request: Request): string {
    if (request.deniedUntil <= this.now) return 'denial_over';
    request.deniedUntil = 0;
    return 'lifted';
  }

  cancel(request: Request): string {
    request.state = 'cancelled';
    return 'cancelled';
  }

  endGrant({ grant }: Request, by: EndedBy): string {
    if (grant === null) throw new Error('nothing was granted');
    grant.state = by;
    for (const token of this.tokens)
      if (token.request.grant === grant && this.mayBeTaken(token)) token.revoked = true;
    return 'ended';
  }

  /** Everything that waits or was given is over: the agent is shut out, or comes back with new assertions. */
  endAll(lasting: boolean): void {
    if (lasting) this.blocked = true;
    else this.superseded = true;
    for (const request of this.requests) {
      if (this.isWaiting(request)) this.cancel(request);
      else if (this.isLive(request)) this.endGrant(request, 'block');
    }
    this.now += TAKEN_BACK_SECONDS;
  }

  revokeToken(number: number): string {
    const token = this.tokens[number];
    if (token === undefined || token.revoked || !this.mayBeTaken(token)) return 'over';
    token.revoked = true;
    return 'revoked';
  }

  /** Whether some API may still take it; they forgive clocks a minute. */
  private mayBeTaken = ({ expiresAt }: Token): boolean => expiresAt + 60 > this.now;

  /** Whether a grant was not picked up in time and nobody may have noticed. */
  isLapsing = ({ grant }: Request): boolean =>
    grant !== null && grant.state === 'offered' && grant.pickupUntil <= this.now && this.now < grant.until;

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

  private isOver = (grant: Grant): boolean =>
    !['offered', 'active'].includes(grant.state) ||
    grant.until <= this.now ||
    (grant.state === 'offered' && grant.pickupUntil <= this.now);

  private deliver(key: Key, request: Request): Expected {
    const { grant } = request;
    if (grant === null) throw new Error('nothing was granted');
    if (grant.state === 'agent')
      return key.kind === 'digest'
        ? this.openUnlessDenied(key, request.scope)
        : refusal('request_cancelled', [request.number]);
    const takenBack = grant.state === 'operator' && this.now < grant.until;
    if (takenBack || (key.kind !== 'digest' && ['operator', 'block'].includes(grant.state)))
      return refusal('grant_revoked', [request.number]);
    if (this.isOver(grant)) return this.answerOver(key, request, grant);
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
