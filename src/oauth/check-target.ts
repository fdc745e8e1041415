/** What is asked, against what the registry allows this agent at all. Policy is asked only after this. */
import type { Asked } from '../access/request-digest.ts';
import type { Agent, Registry, Resource } from '../registry/registry.ts';
import type { Checked, ExchangeRequest } from './exchange-request.ts';

export type Target = { readonly resource: Resource; readonly asked: Asked };

/** The API and the scopes after defaults, within the API's scopes and the agent's ceiling; or the reason against. */
export const checkTarget = (
  registry: Registry,
  agent: Agent,
  request: ExchangeRequest & { readonly proofKey: string | null },
): Checked<Target> => {
  const resource = registry.resources.get(request.audience);
  const ceiling = agent.ceiling.get(request.audience);
  if (resource === undefined || !resource.enabled || ceiling === undefined)
    return { reason: 'target_unknown' };
  if (agent.environment !== null && agent.environment !== resource.environment)
    return { reason: 'target_environment' };
  const scopes = request.scopes ?? [...resource.defaultScopes].sort();
  if (scopes.length === 0) return { reason: 'scope_missing' };
  if (!scopes.every((scope) => resource.scopes.has(scope) && ceiling.has(scope)))
    return { reason: 'scope_unknown' };
  if (
    request.authorizationDetails.length > 0 &&
    resource.checkAuthorizationDetails(request.authorizationDetails) !== null
  )
    return { reason: 'authorization_details' };
  return {
    value: {
      resource,
      asked: {
        agentId: agent.id,
        audience: resource.audience,
        scopes,
        authorizationDetails: request.authorizationDetails,
        proofKey: request.proofKey,
      },
    },
  };
};
