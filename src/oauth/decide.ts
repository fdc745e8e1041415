/** Asking policy about an exchange, and the event that keeps its answer. */
import type { AuditEvent } from '../audit/event.ts';
import type { Decision, PolicyInput } from '../policy/decision.ts';
import { questionOf } from '../policy/question.ts';
import { MALFORMED_RESULT, REFUSED_INPUT } from '../policy/verdict.ts';
import type { Exchange, ExchangeParts } from './exchange-parts.ts';

const questionAt = ({ caller, target }: Exchange, now: Date): PolicyInput =>
  questionOf(
    { ...target.asked, agent: caller.agent, workload: caller.workload, resource: target.resource },
    now,
  );

/** Asks policy, at the database's `now`. */
export const decide = async (parts: ExchangeParts, exchange: Exchange, now: Date): Promise<Decision> => {
  const started = performance.now();
  const decision = await parts.policy.decide(questionAt(exchange, now));
  parts.observeDecision(decision.decision, (performance.now() - started) / 1000);
  return decision;
};

/** Whether what policy denied at `now` would not be denied to the holder of a proof key. */
export const isKeyMissing = async (parts: ExchangeParts, exchange: Exchange, now: Date): Promise<boolean> => {
  if (exchange.target.asked.proofKey !== null) return false;
  const withKey = await parts.policy.decide({ ...questionAt(exchange, now), key_bound: true });
  return withKey.decision !== 'deny';
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
