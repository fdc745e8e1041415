/** What the model keeps of an agent, and what people and operators do to it. */
import {
  GRANT_SECONDS,
  HOLD_SECONDS,
  KINDS,
  type Kind,
  PICKUP_SECONDS,
  TAKEN_BACK_SECONDS,
} from './rules.ts';
import type { EndedBy, Grant, Request, Token, Vote } from './states.ts';

export class ExpectedState {
  requests: Request[] = [];
  enabled = true;
  now = 0;
  blocked = false;
  /** Whether assertions from before are believed no more. */
  superseded = false;
  tokens: Token[] = [];
  /** Whether the stricter policy is in force. */
  strict = false;
  protected byKey = new Map<string, Request>();

  isWaiting({ state, pendingUntil }: Request): boolean {
    return state === 'pending' && this.now < pendingUntil;
  }

  isLive({ grant }: Request): boolean {
    return grant !== null && !this.isOver(grant);
  }

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
    if (!this.isWaiting(request)) return 'over';
    request.state = 'cancelled';
    return 'cancelled';
  }

  endGrant({ grant }: Request, by: EndedBy): string {
    if (grant === null || this.isOver(grant)) return 'over';
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
  private mayBeTaken({ expiresAt }: Token): boolean {
    return expiresAt + 60 > this.now;
  }

  /** Whether a grant was not picked up in time and nobody may have noticed. */
  isLapsing({ grant }: Request): boolean {
    return (
      grant !== null && grant.state === 'offered' && grant.pickupUntil <= this.now && this.now < grant.until
    );
  }

  protected isOver(grant: Grant): boolean {
    return (
      !['offered', 'active'].includes(grant.state) ||
      grant.until <= this.now ||
      (grant.state === 'offered' && grant.pickupUntil <= this.now)
    );
  }
}
