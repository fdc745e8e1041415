/** Who asks: the assertion verified, and the workload it names mapped to a registered agent. */
import type { AuditEvent, JsonObject } from '../audit/event.ts';
import { networkOf } from '../http/network.ts';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import { newRequestId } from '../ids.ts';
import { strangerAt } from '../limits/rate-limits.ts';
import type { WorkloadReason } from '../reasons/caller.ts';
import type { Agent, Registry } from '../registry/registry.ts';
import type { Caller, ExchangeCall, ExchangeParts } from './exchange-parts.ts';
import type { ExchangeRequest } from './exchange-request.ts';
import { type Refused, refused, type Throttled, throttled } from './outcome.ts';

export const workloadFacts = (workload: VerifiedWorkload): JsonObject => ({
  tenant: workload.tenantId,
  object: workload.objectId,
  application: workload.applicationId,
  assertion: workload.assertionId,
  assertion_digest: workload.digest,
  credential: workload.credential,
  version: workload.version,
  roles: workload.roles,
  parent_application: workload.parentApplicationId,
  ...(workload.facets !== null && { facets: workload.facets }),
  ...(workload.actorClaims.length > 0 && { ignored_claims: workload.actorClaims }),
});

export type IdentifyingParts = Pick<ExchangeParts, 'verifyAssertion' | 'limits' | 'refusals' | 'clock'>;

/** Verifies the assertion, before anything else is done with it. A rejection is told with its exact reason. */
export const verifyCaller = async (
  parts: IdentifyingParts,
  call: Pick<ExchangeCall, 'address' | 'traceId'>,
  request: Pick<ExchangeRequest, 'subjectToken'>,
): Promise<VerifiedWorkload | Refused | Throttled> => {
  const { address, traceId } = call;
  const verified = await parts.verifyAssertion(request.subjectToken, { address, now: parts.clock() });
  if ('workload' in verified) return verified.workload;
  if ('exceeded' in verified) {
    await parts.limits.tell(verified.exceeded, strangerAt(address, traceId));
    return throttled(verified.exceeded, null);
  }
  const network = networkOf(address);
  await parts.refusals.tell(`assertion ${verified.reason}`, [
    { name: 'assertion.rejected', traceId, data: { reason: verified.reason, network } },
  ]);
  return refused('assertion_rejected', null);
};

/** The agent that this workload is; tenant, object and application id must all be the registered ones. */
export const mapAgent = async (
  parts: Pick<IdentifyingParts, 'refusals'>,
  registry: Registry,
  call: Pick<ExchangeCall, 'address' | 'traceId'>,
  { workload, allowance }: Pick<Caller, 'workload' | 'allowance'>,
): Promise<Agent | Refused | Throttled> => {
  const agent = registry.agentOf({ tenant: workload.tenantId, object: workload.objectId });
  if (agent !== undefined && agent.workload.application === workload.applicationId) return agent;
  const over = await allowance.takeStranger();
  if (over !== null) return over;
  const reason: WorkloadReason = agent === undefined ? 'unknown_workload' : 'other_application';
  await parts.refusals.tell(`agent ${reason} ${workload.tenantId} ${workload.objectId}`, [
    { name: 'assertion.verified', traceId: call.traceId, data: workloadFacts(workload) },
    {
      name: 'agent.rejected',
      traceId: call.traceId,
      data: {
        reason,
        tenant: workload.tenantId,
        object: workload.objectId,
        application: workload.applicationId,
        network: networkOf(call.address),
      },
    },
  ]);
  return refused('agent_unknown', null);
};

/** What is needed of a caller to tell of it. */
export type IdentifiedCaller = Pick<
  Caller,
  'agent' | 'workload' | 'allowance' | 'traceId' | 'registryRevision'
>;

/** The two events every recorded exchange begins with. */
export const callerEvents = (caller: IdentifiedCaller, requestId: string): AuditEvent[] => {
  const common = { requestId, agentId: caller.agent.id, traceId: caller.traceId };
  return [
    { ...common, name: 'assertion.verified', data: workloadFacts(caller.workload) },
    { ...common, name: 'agent.mapped', data: { registry_revision: caller.registryRevision } },
  ];
};

/** What is told of names that may be nobody's: enough to see what was tried, not enough to fill the trail. */
const TOLD_NAME_MAX_LENGTH = 200;
const TOLD_SCOPES_MAX = 20;

/** Well formed even where the end falls within a character: the trail takes no lone surrogates. */
const shortened = (name: string): string => name.slice(0, TOLD_NAME_MAX_LENGTH).toWellFormed();

/** Tells that an identified agent was refused, and of `facts` what it wanted; names the refusal. */
export const refuseAgent = async (
  parts: Pick<ExchangeParts, 'refusals'>,
  caller: IdentifiedCaller,
  reason: Refused['reason'],
  facts: Readonly<Record<string, string | readonly string[]>>,
): Promise<Refused | Throttled> => {
  // Asking for a nonce is how a client gets one.
  const over = await (reason === 'proof_nonce' ? caller.allowance.take() : caller.allowance.takeMiss());
  if (over !== null) return over;
  const requestId = newRequestId();
  const told = await parts.refusals.tell(`request ${caller.agent.id} ${reason} ${JSON.stringify(facts)}`, [
    ...callerEvents(caller, requestId),
    {
      name: 'request.refused',
      requestId,
      agentId: caller.agent.id,
      traceId: caller.traceId,
      data: { reason, ...facts },
    },
  ]);
  return refused(reason, told);
};

/** The same of an exchange, before policy. */
export const refuseCaller = (
  parts: ExchangeParts,
  caller: Caller,
  request: ExchangeRequest,
  reason: Refused['reason'],
): Promise<Refused | Throttled> =>
  refuseAgent(parts, caller, reason, {
    audience: shortened(request.audience),
    scopes: (request.scopes ?? []).slice(0, TOLD_SCOPES_MAX).map(shortened),
  });
