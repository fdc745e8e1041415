/** Opening: policy decides, and the request is permitted with its first token, left to people, or refused. */
import type { Found } from '../access/find-request.ts';
import type { Opening } from '../access/open-request.ts';
import { requestDigest, termsDigest, termsOf } from '../access/request-digest.ts';
import type { AuditEvent, JsonObject } from '../audit/event.ts';
import { newGrantId, newRequestId, newTokenId } from '../ids.ts';
import type { Decision } from '../policy/decision.ts';
import { decide, decisionEvent, isKeyMissing } from './decide.ts';
import type { Exchange, ExchangeParts } from './exchange-parts.ts';
import { callerEvents } from './identify-agent.ts';
import { type Outcome, type Refused, refused, type Throttled } from './outcome.ts';
import { refuseRepeat, withReason } from './tell-refusal.ts';

/** People decide in minutes. */
const FULL_RETRY_SECONDS = 60;

/** Opens a new request, unless a person's denial still holds for one of its scopes. */
export const openUnlessDenied = (
  parts: ExchangeParts,
  exchange: Exchange,
  found: Found,
): Promise<Outcome | null> =>
  found.deniedBy === null ? open(parts, exchange, found) : denied(parts, exchange, found.deniedBy);

/** A person's denial holds, however the request is worded; that the agent asked again is told once a minute. */
export const denied = async (
  parts: ExchangeParts,
  exchange: Exchange,
  requestId: string,
): Promise<Outcome> => {
  const { agent, traceId } = exchange.caller;
  await parts.refusals.tell(`denied ${agent.id} ${requestId}`, [
    {
      name: 'request.refused',
      requestId,
      agentId: agent.id,
      traceId,
      data: { reason: 'denied_by_approver' },
    },
  ]);
  return refused('denied_by_approver', requestId);
};

/** Null: somebody else opened it first, or the revisions moved; look again. */
const open = async (parts: ExchangeParts, exchange: Exchange, found: Found): Promise<Outcome | null> => {
  const { key } = exchange;
  const decision = await decide(parts, exchange, found.now);
  if (decision.decision === 'deny') return refuseByPolicy(parts, exchange, { decision, now: found.now });
  if (key.kind === 'broker')
    return refuseRepeat(parts, exchange, { reason: 'grant_over', requestId: key.value });
  const { asked } = exchange.target;
  const { caller, request } = exchange;
  const requestId = newRequestId();
  const terms = termsOf(asked, decision, request);
  const permitted =
    decision.decision === 'permit'
      ? {
          grantId: newGrantId(),
          jti: newTokenId(),
          kid: parts.signingKeys.active(exchange.target.resource.tokenSigningAlgorithm).kid,
        }
      : null;
  const signed = termsDigest(terms);
  const tell = (name: AuditEvent['name'], data: JsonObject): AuditEvent => ({
    name,
    requestId,
    agentId: caller.agent.id,
    traceId: caller.traceId,
    data,
  });
  const events = [
    ...callerEvents(caller, requestId),
    decisionEvent(exchange, decision, requestId),
    tell('request.opened', {
      state: permitted === null ? 'pending' : 'permitted',
      request_digest: terms.request_digest,
      terms_digest: signed,
      ...(key.kind === 'own' && { key: key.value }),
      ...(asked.proofKey !== null && { proof_key: asked.proofKey }),
    }),
  ];
  if (permitted !== null) {
    const { grantId, jti, kid } = permitted;
    events.push(
      tell('grant.opened', {
        grant_id: grantId,
        by: 'policy',
        terms_digest: signed,
        grant_seconds: terms.grant_seconds,
        token_seconds: terms.token_seconds,
        max_tokens: terms.max_tokens,
      }),
      tell('token.issued', { jti, grant_id: grantId, kid, token_seconds: terms.token_seconds }),
    );
  }
  const opening: Opening = {
    on: {
      agentId: caller.agent.id,
      registryRevision: caller.registryRevision,
      policyRevision: decision.bundleRevision,
      blocksRevision: caller.blocksRevision,
    },
    requestId,
    key: { kind: key.kind, value: key.value },
    replaces: found.request?.id ?? null,
    asked,
    proof: exchange.proven?.proofDigest ?? null,
    justification: request.justification,
    requestedSeconds: request.requestedSeconds,
    workload: caller.workload,
    decision,
    terms,
    termsDigest: signed,
    permitted,
    events,
  };
  const opened = await (permitted === null
    ? parts.requests.openPending(opening, parts.limits.openMax)
    : parts.requests.open(opening));
  if (opened === null) return null;
  if (opened === 'full') return refuseFull(parts, exchange);
  if (permitted === null || opened.token === null) {
    const pace = await parts.pace(`${requestId} ${caller.workload.assertionId}`, true);
    return {
      kind: 'pending',
      requestId,
      agentId: caller.agent.id,
      intervalSeconds: pace.intervalSeconds,
      expiresInSeconds: Math.floor((opened.expiresAt.getTime() - found.now.getTime()) / 1000),
      startsAt: null,
      early: false,
    };
  }
  return {
    kind: 'issued',
    requestId,
    agentId: caller.agent.id,
    resource: exchange.target.resource,
    scopes: asked.scopes,
    authorizationDetails: asked.authorizationDetails,
    issuedTokenType: request.issuedTokenType,
    proofKey: asked.proofKey,
    jti: permitted.jti,
    kid: permitted.kid,
    ...opened.token,
    grantedUntil: opened.expiresAt,
    now: found.now,
  };
};

/** People are asked for no more at a time than they can look at. */
const refuseFull = (parts: ExchangeParts, exchange: Exchange): Promise<Throttled> =>
  exchange.caller.allowance.refuse({
    limit: 'open',
    quota: parts.limits.openMax,
    windowSeconds: null,
    retryAfterSeconds: FULL_RETRY_SECONDS,
  });

/**
 * Policy says no: decided anew each time, no request is opened, equal refusals of a minute are counted in one. Where
 * only a proof key was missing the client is told so, since it can mend that.
 */
const refuseByPolicy = async (
  parts: ExchangeParts,
  exchange: Exchange,
  denial: { readonly decision: Decision; readonly now: Date },
): Promise<Refused> => {
  const { decision, now } = denial;
  const requestId = newRequestId();
  const digest = requestDigest(exchange.target.asked);
  const reason = (await isKeyMissing(parts, exchange, now)) ? 'proof_required' : 'denied_by_policy';
  const told = await parts.refusals.tell(`policy ${digest} ${decision.rule} ${decision.bundleRevision}`, [
    ...callerEvents(exchange.caller, requestId),
    withReason(decisionEvent(exchange, decision, requestId), reason),
  ]);
  return reason === 'proof_required' ? refused(reason, told) : refused(reason, told, decision.publicReason);
};
