import { authorizationDetailsCheck, shortenableDetails } from './authorization-details.ts';
import type { Agent, Principal, Registry, Resource } from './registry.ts';
import type { AgentEntry, RegistryDocument, ResourceEntry } from './registry-schema.ts';

const agentFrom = (entry: AgentEntry): Agent => ({
  id: entry.id,
  name: entry.name,
  description: entry.description,
  enabled: entry.enabled,
  workload: entry.workload,
  owners: entry.owners,
  sponsors: entry.sponsors ?? [],
  environment: entry.environment ?? null,
  ceiling: new Map(entry.access.map(({ audience, scopes }) => [audience, new Set(scopes)])),
});

const resourceFrom = (entry: ResourceEntry): Resource => ({
  audience: entry.audience,
  name: entry.name,
  description: entry.description,
  enabled: entry.enabled,
  environment: entry.environment,
  sensitivity: entry.sensitivity,
  scopes: new Map(Object.entries(entry.scopes)),
  tokenSigningAlgorithm: entry.token_signing_alg,
  defaultScopes: entry.default_scopes,
  workload: entry.workload ?? null,
  mayShorten: shortenableDetails(entry.authorization_details),
  checkAuthorizationDetails: authorizationDetailsCheck(entry.authorization_details),
});

/** The registry writes ids in lower case; so does Entra, but what asks may not. */
const workloadKey = ({ tenant, object }: Principal): string => `${tenant}/${object}`.toLowerCase();

/** Indexes one revision for the exchange. `document` has passed the schema; `revision` 0 is a registry never applied. */
export const buildRegistry = (revision: number, document: RegistryDocument): Registry => {
  const agents = document.agents.map(agentFrom);
  const byWorkload = new Map(agents.map((agent) => [workloadKey(agent.workload), agent]));
  const people = new Map(
    (document.people ?? []).flatMap(({ accounts }) =>
      accounts.map((account) => [workloadKey(account), accounts] as const),
    ),
  );
  const apis = new Set(
    document.resources.flatMap(({ workload }) => (workload ? [workloadKey(workload)] : [])),
  );
  return {
    revision,
    agents: new Map(agents.map((agent) => [agent.id, agent])),
    resources: new Map(document.resources.map(resourceFrom).map((resource) => [resource.audience, resource])),
    agentOf: (workload) => byWorkload.get(workloadKey(workload)),
    accountsOf: (account) => people.get(workloadKey(account)) ?? [account],
    isWorkload: (account) => byWorkload.has(workloadKey(account)) || apis.has(workloadKey(account)),
  };
};
