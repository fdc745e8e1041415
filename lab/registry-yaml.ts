/**
 * The lab's registry as the file that an administrator would write: three agents, three APIs in each environment, and
 * what one of the agents serves to others.
 */
import { stringify } from 'yaml';
import { COMPILATIONS } from './agents/served-api.ts';
import { ALL_APIS } from './apis/all-apis.ts';
import { type ApiName, ENVIRONMENTS } from './apis/api.ts';
import { agentOf, apiOf, type World } from './world.ts';

type AgentProfile = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** The API it works with, in every environment and with every action: what it gets, policy decides. */
  readonly api: ApiName;
};

export const AGENT_PROFILES: readonly AgentProfile[] = [
  {
    id: 'support-agent',
    name: 'Support agent',
    description: 'Answers customers from the knowledge base, and drafts articles where one is missing.',
    api: 'knowledge',
  },
  {
    id: 'reporting-agent',
    name: 'Reporting agent',
    description: 'Compiles business reports.',
    api: 'reports',
  },
  {
    id: 'ops-agent',
    name: 'Operations agent',
    description: 'Restarts services and deploys releases.',
    api: 'operations',
  },
];

const COMPILATIONS_ACCESS = { audience: COMPILATIONS.audience, scopes: [COMPILATIONS.scope] };

const compilations = (world: World) => ({
  audience: COMPILATIONS.audience,
  name: COMPILATIONS.title,
  description: COMPILATIONS.description,
  environment: COMPILATIONS.environment,
  sensitivity: COMPILATIONS.sensitivity,
  scopes: COMPILATIONS.scopes,
  workload: { tenant: world.tenant, object: apiOf(world, COMPILATIONS.audience).objectId },
});

/** Renders the registry of this world. */
export const registryYaml = (world: World): string => {
  const { tenant } = world;
  const agents = AGENT_PROFILES.map(({ id, name, description, api }) => {
    const { clientId, objectId, owners } = agentOf(world, id);
    const scopes = Object.keys(ALL_APIS.find((candidate) => candidate.name === api)?.scopes ?? {});
    return {
      id,
      name,
      description,
      workload: { tenant, object: objectId, application: clientId },
      owners,
      access: [
        ...ENVIRONMENTS.map((environment) => ({ audience: `api://${api}.${environment}`, scopes })),
        ...(COMPILATIONS.askedBy.some((asking) => asking === id) ? [COMPILATIONS_ACCESS] : []),
      ],
    };
  });
  const resources = ALL_APIS.flatMap(({ name, title, description, scopes, defaultScopes, sensitivity }) =>
    ENVIRONMENTS.map((environment) => {
      const audience = `api://${name}.${environment}`;
      return {
        audience,
        name: `${title} (${environment})`,
        description,
        environment,
        sensitivity: sensitivity[environment],
        scopes,
        default_scopes: defaultScopes,
        workload: { tenant, object: apiOf(world, audience).objectId },
      };
    }),
  );
  return stringify(
    { version: 1, agents, resources: [...resources, compilations(world)] },
    { aliasDuplicateObjects: false },
  );
};
