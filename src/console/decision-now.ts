/** What policy says of a request now: who may decide is compared with it before a page offers it and when a vote comes. */
import type { ApprovalRequest } from '../access/approval-queue.ts';
import type { DecisionNow } from '../access/check-vote.ts';
import { questionOf } from '../policy/question.ts';
import type { Registry } from '../registry/registry.ts';
import type { ConsoleParts } from './console-parts.ts';

/**
 * Asks policy about the request as it stands. Null: its agent is not registered any more. An API that is not is as
 * good as denied. Throws what is answered as 503 when policy gives no answer.
 */
export const decisionNow = async (
  parts: Pick<ConsoleParts, 'decide' | 'policyRevision'>,
  registry: Registry,
  request: ApprovalRequest,
): Promise<DecisionNow | null> => {
  const agent = registry.agents.get(request.agentId);
  if (agent === undefined) return null;
  const resource = registry.resources.get(request.audience);
  if (resource === undefined || !resource.enabled)
    return { decision: 'deny', approval: null, bundleRevision: parts.policyRevision() ?? '' };
  const { workload, proofKey, terms } = request;
  const { scopes, authorization_details: authorizationDetails } = terms;
  return parts.decide(
    questionOf({ agent, workload, resource, scopes, authorizationDetails, proofKey }, request.now),
  );
};
