/** The question put to policy, from verified and registered facts: no text of the agent is among them. */
import type { Agent, AuthorizationDetails, Resource } from '../registry/registry.ts';
import type { PolicyInput } from './decision.ts';

export type QuestionFacts = {
  readonly agent: Pick<Agent, 'id' | 'environment'>;
  readonly workload: {
    readonly tenantId: string;
    readonly objectId: string;
    readonly applicationId: string;
    readonly credential: string;
    readonly roles: readonly string[];
  };
  readonly resource: Pick<Resource, 'audience' | 'environment' | 'sensitivity'>;
  readonly scopes: readonly string[];
  readonly authorizationDetails: AuthorizationDetails;
  /** Thumbprint of the key that the caller proved to hold, null without. */
  readonly proofKey: string | null;
};

/** `now` is the database's clock. */
export const questionOf = (
  { agent, workload, resource, ...asked }: QuestionFacts,
  now: Date,
): PolicyInput => ({
  now: Math.floor(now.getTime() / 1000),
  agent: { id: agent.id, environment: agent.environment },
  workload: {
    tenant: workload.tenantId,
    object: workload.objectId,
    application: workload.applicationId,
    credential: workload.credential,
    roles: workload.roles,
  },
  resource: {
    audience: resource.audience,
    environment: resource.environment,
    sensitivity: resource.sensitivity,
  },
  scopes: asked.scopes,
  authorization_details: asked.authorizationDetails,
  key_bound: asked.proofKey !== null,
});
