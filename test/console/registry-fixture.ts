/** The registry that the console's tests show: three agents, three APIs, one owner of all. */
import type { Principal } from '../../src/registry/registry.ts';

export const REGISTRY_TENANT = '5f0e7c1a-4f0d-4c8e-9d55-0c6a3f5b8e01';

const workload = (digit: string) => ({
  tenant: REGISTRY_TENANT,
  object: `0b${digit}4d8a2-1111-4222-8333-444455556666`,
  application: `1c${digit}5e9b3-1111-4222-8333-444455556666`,
});

const AGENTS = [
  {
    id: 'support-agent',
    name: 'Support agent',
    description: 'Answers customers from the knowledge base.',
    access: [{ audience: 'api://knowledge.prod', scopes: ['articles.read', 'articles.write'] }],
  },
  {
    id: 'reporting-agent',
    name: 'Reporting agent',
    description: 'Prepares the monthly reports of finance.',
    access: [{ audience: 'api://reports.prod', scopes: ['reports.read', 'payroll.export'] }],
  },
  {
    id: 'ops-agent',
    name: 'Operations agent',
    description: 'Restarts services and ships releases.',
    access: [{ audience: 'api://operations.prod', scopes: ['services.restart', 'release.deploy'] }],
  },
];

const RESOURCES = [
  {
    audience: 'api://knowledge.prod',
    name: 'Knowledge base',
    description: 'Articles that customers read.',
    sensitivity: 'low',
    scopes: { 'articles.read': 'Reads articles.', 'articles.write': 'Publishes and changes articles.' },
  },
  {
    audience: 'api://reports.prod',
    name: 'Reports',
    description: 'Figures of the company, salaries among them.',
    sensitivity: 'high',
    scopes: {
      'reports.read': 'Reads finished reports.',
      'payroll.export': 'Exports the payroll of a month: names, salaries, bank accounts.',
    },
  },
  {
    audience: 'api://operations.prod',
    name: 'Operations',
    description: 'Running services and their databases.',
    sensitivity: 'critical',
    scopes: {
      'services.restart': 'Restarts a running service.',
      'release.deploy': 'Puts a release into production.',
    },
  },
];

type Answerable = {
  readonly owner: Principal;
  readonly sponsor?: Principal;
  /** Accounts that are of one person each. */
  readonly people?: readonly (readonly Principal[])[];
};

const ids = ({ tenant, object }: Principal) => ({ tenant, object });

export const registryEntries = ({ owner, sponsor, people = [] }: Answerable) => ({
  version: 1,
  agents: AGENTS.map((agent, index) => ({
    ...agent,
    workload: workload(String(index + 1)),
    owners: [ids(owner)],
    ...(sponsor && { sponsors: [ids(sponsor)] }),
  })),
  resources: RESOURCES.map((resource) => ({ ...resource, environment: 'prod' })),
  ...(people.length > 0 && {
    people: people.map((accounts, index) => ({ id: `person-${index + 1}`, accounts: accounts.map(ids) })),
  }),
});
