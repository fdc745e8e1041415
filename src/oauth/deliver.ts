/**
 * Delivering under what was permitted or approved before: everything is checked again as it is now, then the current
 * credential is rendered again, or the first or the next one is minted.
 */
import { expireGrants, lapseGrants } from '../access/end.ts';
import type { CurrentToken, Found, FoundGrant, FoundRequest } from '../access/find-request.ts';
import { mintToken, nextDelivery, redeliverToken } from '../access/issue-token.ts';
import type { AuditEvent, JsonObject } from '../audit/event.ts';
import { newTokenId } from '../ids.ts';
import type { Decision } from '../policy/decision.ts';
import { tellPending } from './answer-pending.ts';
import { decide, decisionEvent } from './decide.ts';
import type { Exchange, ExchangeParts } from './exchange-parts.ts';
import { workloadFacts } from './identify-agent.ts';
import { openUnlessDenied } from './open.ts';
import type { Issued, Outcome } from './outcome.ts';
import {
  asAllowed,
  type Delivery,
  earlier,
  endForApprovers,
  endForPolicy,
  ending,
  lossOf,
} from './recheck.ts';
import { refuseRepeat } from './tell-refusal.ts';

/** Null: the grant moved meanwhile; look again. */
export const deliver = async (
  parts: ExchangeParts,
  exchange: Exchange,
  found: Found,
  request: FoundRequest,
): Promise<Outcome | null> => {
  const { grant } = request;
  if (grant === null) throw new Error(`${request.id} is ${request.state} and has no grant`);
  const delivery = { exchange, found, request, grant };
  if (grant.endedBy === 'agent')
    return exchange.key.kind === 'digest'
      ? openUnlessDenied(parts, exchange, found)
      : refuseRepeat(parts, exchange, { reason: 'request_cancelled', requestId: request.id });
  if (grant.endedReason === 'revoked' && stillRefused(delivery))
    return refuseRepeat(parts, exchange, { reason: 'grant_revoked', requestId: request.id });
  if (isOver(grant, found.now)) return answerOver(parts, delivery);
  if (grant.startsAt !== null && grant.startsAt > found.now) {
    const leftMs = grant.pickupUntil.getTime() - found.now.getTime();
    return tellPending(parts, exchange, { requestId: request.id, leftMs, startsAt: grant.startsAt });
  }

  const delivered = { ...delivery, exchange: asGranted(exchange, request) };
  const decision = await decide(parts, delivered.exchange, found.now);
  const lost = lossOf(delivered, decision);
  if (lost !== null && request.state === 'permitted') return openUnlessDenied(parts, exchange, found);
  if (lost === 'policy') return endForPolicy(parts, delivered, decision);
  if (lost === 'approvers') return endForApprovers(parts, delivery);
  const allowed = { ...delivered, grant: await asAllowed(parts, delivered, decision) };
  const next = isOver(allowed.grant, found.now)
    ? 'none'
    : nextDelivery({ ...allowed.grant, current: goodCurrent(parts, grant) }, found.now);
  if (next === 'none') return answerOver(parts, delivery);
  // What policy permits it can permit anew: better a fresh token than the last seconds of this one.
  if (next === 'last' && request.state === 'permitted' && exchange.key.kind !== 'broker')
    return openUnlessDenied(parts, exchange, found);
  return next !== 'mint' && grant.current !== null
    ? redeliver(parts, allowed, grant.current, decision)
    : mint(parts, allowed, decision);
};

/** The exchange as far as it was granted: an approver may have left less than was asked for. */
const asGranted = (exchange: Exchange, { terms }: FoundRequest): Exchange => ({
  ...exchange,
  target: {
    ...exchange.target,
    asked: {
      ...exchange.target.asked,
      scopes: terms.scopes,
      authorizationDetails: terms.authorization_details,
    },
  },
});

/** The current credential, unless it is worth nothing by now: revoked, or signed by a key that was withdrawn. */
const goodCurrent = ({ signingKeys }: ExchangeParts, { current }: FoundGrant): CurrentToken | null =>
  current === null || current.state === 'REVOKED' || signingKeys.isGone(current.kid) ? null : current;

/**
 * A named request stays refused for good; one found by its digest until its grant would have been over, if somebody
 * took it back. What a block ended, or a check that failed, is asked for anew: nobody said no to it.
 */
const stillRefused = ({ exchange, found, grant }: Delivery): boolean =>
  exchange.key.kind !== 'digest' || (grant.endedBy === 'operator' && grant.approvedUntil > found.now);

const isOver = (grant: FoundGrant, now: Date): boolean =>
  grant.state === 'ended' ||
  grant.approvedUntil <= now ||
  (grant.state === 'offered' && grant.pickupUntil <= now);

/** The grant is over: a named request that took people's approval says so, anything else is asked anew. */
const answerOver = async (parts: ExchangeParts, delivery: Delivery): Promise<Outcome | null> => {
  const { exchange, found, request, grant } = delivery;
  if (grant.state !== 'ended' && isOver(grant, found.now)) {
    const end = grant.state === 'offered' ? lapseGrants : expireGrants;
    await end(parts.database, [ending(delivery)]);
  }
  const { kind } = exchange.key;
  const named = kind === 'broker' || (kind === 'own' && request.state === 'approved');
  if (!named) return openUnlessDenied(parts, exchange, found);
  const lapsed = grant.endedReason === 'lapsed' || grant.state === 'offered';
  return refuseRepeat(parts, exchange, {
    reason: lapsed ? 'approval_lapsed' : 'grant_over',
    requestId: request.id,
  });
};

const deliveryEvents = (
  { exchange, request }: Delivery,
  decision: Decision,
  told: readonly (readonly [AuditEvent['name'], JsonObject])[],
): AuditEvent[] => {
  const { agent, workload, traceId } = exchange.caller;
  const common = { requestId: request.id, agentId: agent.id, traceId };
  return [
    { ...common, name: 'assertion.verified', data: workloadFacts(workload) },
    decisionEvent(exchange, decision, request.id),
    ...told.map(([name, data]) => ({ ...common, name, data })),
  ];
};

/** By the bundle that decided, which may be another than the one that was loaded when the attempt began. */
const decidedOn = ({ caller }: Exchange, { bundleRevision }: Decision) => ({
  agentId: caller.agent.id,
  registryRevision: caller.registryRevision,
  policyRevision: bundleRevision,
  blocksRevision: caller.blocksRevision,
});

const issued = (
  { exchange, found, request }: Delivery,
  token: Pick<Issued, 'jti' | 'kid' | 'issuedAt' | 'expiresAt' | 'grantedUntil'>,
): Issued => ({
  kind: 'issued',
  requestId: request.id,
  agentId: exchange.caller.agent.id,
  resource: exchange.target.resource,
  scopes: request.terms.scopes,
  authorizationDetails: request.terms.authorization_details,
  issuedTokenType: exchange.request.issuedTokenType,
  proofKey: exchange.target.asked.proofKey,
  jti: token.jti,
  kid: token.kid,
  issuedAt: token.issuedAt,
  expiresAt: token.expiresAt,
  grantedUntil: token.grantedUntil,
  now: found.now,
});

const redeliver = async (
  parts: ExchangeParts,
  delivery: Delivery,
  current: CurrentToken,
  decision: Decision,
): Promise<Outcome | null> => {
  const { jti } = current;
  const grantId = delivery.grant.id;
  const delivered = await redeliverToken(parts.database, decidedOn(delivery.exchange, decision), {
    grantId,
    jti,
    proof: delivery.exchange.proven?.proofDigest ?? null,
    events: deliveryEvents(delivery, decision, [['token.redelivered', { jti, grant_id: grantId }]]),
  });
  return delivered ? issued(delivery, { ...current, grantedUntil: delivery.grant.approvedUntil }) : null;
};

const mint = async (
  parts: ExchangeParts,
  delivery: Delivery,
  decision: Decision,
): Promise<Outcome | null> => {
  const { grant, found } = delivery;
  const jti = newTokenId();
  const { kid } = parts.signingKeys.active(delivery.exchange.target.resource.tokenSigningAlgorithm);
  const predecessor = grant.current?.jti ?? null;
  const tokenSeconds = Math.min(
    grant.tokenSeconds,
    wholeSeconds(grant.approvedUntil) - wholeSeconds(found.now),
  );
  const rotation: [AuditEvent['name'], JsonObject][] =
    predecessor === null || grant.current?.state === 'REVOKED'
      ? []
      : [['token.rotated', { jti: predecessor, successor: jti }]];
  const minted = await mintToken(parts.database, decidedOn(delivery.exchange, decision), {
    grantId: grant.id,
    seenJti: predecessor,
    jti,
    kid,
    tokenSeconds,
    proof: delivery.exchange.proven?.proofDigest ?? null,
    events: deliveryEvents(delivery, decision, [
      ...rotation,
      ['token.issued', { jti, grant_id: grant.id, kid, token_seconds: tokenSeconds }],
    ]),
  });
  if (minted === null) return null;
  const grantedUntil = earlier(minted.grantedUntil, grant.approvedUntil);
  return issued(delivery, { jti, kid, ...minted, grantedUntil });
};

/** Since the epoch: tokens begin and end with whole ones. */
const wholeSeconds = (time: Date): number => Math.floor(time.getTime() / 1000);
