/** The question put to policy, and the event that keeps its answer. */
import type { AuditEvent } from '../audit/event.ts';
import type { Decision } from '../policy/decision.ts';
import { MALFORMED_RESULT, REFUSED_INPUT } from '../policy/verdict.ts';
import type { Exchange, ExchangeParts } from './exchange-parts.ts';

/** Asks policy, at the database's `now`. Verified and registered facts only: no text of the agent is among them. */
export const decide = async (parts: ExchangeParts, exchange: Exchange, now: Date): Promise<Decision> => {
  const { caller, target } = exchange;
  const started = performance.now();
  const decision = await parts.policy.decide({
    now: Math.floor(now.getTime() / 1000),
    agent: { id: caller.agent.id, environment: caller.agent.environment },
    workload: {
      tenant: caller.workload.tenantId,
      object: caller.workload.objectId,
      application: caller.workload.applicationId,
      credential: caller.workload.credential,
      roles: caller.workload.roles,
    },
    resource: {
      audience: target.resource.audience,
      environment: target.resource.environment,
      sensitivity: target.resource.sensitivity,
    },
    scopes: target.asked.scopes,
    authorization_details: target.asked.authorizationDetails,
    key_bound: target.asked.proofKey !== null,
  });
  parts.observeDecision(decision.decision, (performance.now() - started) / 1000);
  return decision;
};

export const decisionEvent = (exchange: Exchange, decision: Decision, requestId: string): AuditEvent => ({
  name: [MALFORMED_RESULT, REFUSED_INPUT].includes(decision.rule) ? 'policy.failed' : 'policy.decided',
  requestId,
  agentId: exchange.caller.agent.id,
  traceId: exchange.caller.traceId,
  data: {
    decision: decision.decision,
    rule: decision.rule,
    matched: decision.matched,
    public_reason: decision.publicReason,
    internal_reason: decision.internalReason,
    audience: exchange.target.asked.audience,
    scopes: exchange.target.asked.scopes,
    input_digest: decision.inputDigest,
    bundle_revision: decision.bundleRevision,
    registry_revision: exchange.caller.registryRevision,
  },
});
