/**
 * What the bench's broker governs: as many agents, APIs and rules as a company might have, so that neither a small
 * table nor a warm cache flatters it. Generated, and the same at every run but for the ids of the world around it.
 */
import { stringify } from 'yaml';
import { buildBundle } from '../src/policy/build-bundle.ts';
import { readBundle } from '../src/policy/bundle.ts';
import type { PolicyInput } from '../src/policy/decision.ts';

export const AGENTS = 200;
const APIS = 100;
const SCOPES_PER_API = 10;
/** One rule for each action of each API. */
export const RULES = APIS * SCOPES_PER_API;

const TOKEN_SECONDS = 45;
const AGENTS_PER_API = AGENTS / APIS;

/** The n-th GUID of a kind; kinds are digits. */
const guidOf = (kind: number, index: number): string =>
  `${String(kind).repeat(8)}-0000-4000-8000-${String(index).padStart(12, '0')}`;

const range = (length: number): number[] => Array.from({ length }, (_, index) => index);
const audienceOf = (api: number): string => `api://bench-${api}.prod`;
const scopeOf = (scope: number): string => `action-${scope}.do`;
const agentId = (agent: number): string => `bench-agent-${agent}`;
/** What an agent's first exchange asks for. */
export const FIRST_SCOPE = scopeOf(0);
const apiOf = (agent: number): number => agent % APIS;

/** The n-th agent as the registry and Entra know it. */
export const workloadOf = (agent: number): { readonly object: string; readonly application: string } => ({
  object: guidOf(2, agent),
  application: guidOf(3, agent),
});

/** What the n-th exchange asks for: agents in turn, then each one's actions in turn. */
export const askedBy = (
  index: number,
): { readonly agent: number; readonly audience: string; readonly scope: string } => {
  const agent = index % AGENTS;
  const scope = Math.floor(index / AGENTS) % SCOPES_PER_API;
  return { agent, audience: audienceOf(apiOf(agent)), scope: scopeOf(scope) };
};

/** The same as the question that policy is asked. */
export const questionOf = (index: number, tenant: string): PolicyInput => {
  const { agent, audience, scope } = askedBy(index);
  const { object, application } = workloadOf(agent);
  return {
    now: Math.floor(Date.now() / 1000),
    agent: { id: agentId(agent), environment: null },
    workload: { tenant, object, application, credential: 'secret', roles: [] },
    resource: { audience, environment: 'prod', sensitivity: 'low' },
    scopes: [scope],
    authorization_details: [],
    key_bound: false,
  };
};

export const registryYaml = (tenant: string): string => {
  const scopes = range(SCOPES_PER_API).map(scopeOf);
  return stringify(
    {
      version: 1,
      agents: range(AGENTS).map((agent) => ({
        id: agentId(agent),
        name: `Bench agent ${agent}`,
        description: 'Asks as fast as it can.',
        workload: { tenant, ...workloadOf(agent) },
        owners: [{ tenant, object: guidOf(4, agent) }],
        access: [{ audience: audienceOf(apiOf(agent)), scopes }],
      })),
      resources: range(APIS).map((api) => ({
        audience: audienceOf(api),
        name: `Bench API ${api}`,
        description: 'Answers nobody.',
        environment: 'prod',
        sensitivity: 'low',
        scopes: Object.fromEntries(scopes.map((scope) => [scope, `Do ${scope}`])),
        workload: { tenant, object: guidOf(5, api) },
      })),
    },
    { aliasDuplicateObjects: false },
  );
};

const rulesYaml = (): string =>
  stringify({
    rules: range(RULES).map((index) => {
      const api = index % APIS;
      const scope = Math.floor(index / APIS);
      return {
        id: `bench-${api}-${scope}`,
        resource: audienceOf(api),
        scopes: [scopeOf(scope)],
        agents: range(AGENTS_PER_API).map((nth) => agentId(api + nth * APIS)),
        decision: 'permit',
        token_seconds: TOKEN_SECONDS,
        public_reason: 'This action is allowed.',
        internal_reason: 'The action changes nothing that matters.',
      };
    }),
  });

const CASES = stringify({
  cases: [
    {
      name: 'the first agent does the first action',
      agent: agentId(0),
      resource: { audience: audienceOf(0), environment: 'prod', sensitivity: 'low' },
      scopes: [scopeOf(0)],
      expect: { decision: 'permit', rule: 'bench-0-0' },
    },
    {
      name: 'an agent does nothing at an API that is not its own',
      agent: agentId(0),
      resource: { audience: audienceOf(1), environment: 'prod', sensitivity: 'low' },
      scopes: [scopeOf(0)],
      expect: { decision: 'deny', rule: 'default' },
    },
  ],
});

/** The rules as a bundle, on the module of `shipped`. */
export const policyBundle = async (shipped: Uint8Array): Promise<Uint8Array> =>
  buildBundle(await readBundle(shipped), {
    rules: { name: 'rules.yaml', text: rulesYaml() },
    cases: { name: 'cases.yaml', text: CASES },
  });
