/** Whether a workload is an agent of the registry, and which of its three ids is the wrong one if it is nearly. Pure. */
import type { Agent, Registry } from '../registry/registry.ts';
import type { Finding, Findings } from './finding.ts';

/** The ids in a token, as Entra calls them: `tid`, `oid`, `azp` or `appid`; and its app roles as they are. */
export type WorkloadIds = {
  readonly tenant: string;
  readonly object: string;
  readonly application: string;
  readonly roles?: unknown;
};

/** App roles with which tools read pages as JSON. */
const TOOL_ROLES = ['Auditor', 'Operator', 'SecurityAdmin'];

const problem = (message: string, advice: string): Finding => ({
  check: 'agent',
  status: 'problem',
  message,
  advice,
});

const entry = ({ tenant, object, application }: WorkloadIds): string =>
  `workload: { tenant: ${tenant}, object: ${object}, application: ${application} }`;

const findNearly = ({ agents }: Registry, ids: WorkloadIds): Agent | undefined => {
  const all = [...agents.values()];
  return (
    all.find(({ workload }) => workload.application === ids.application) ??
    all.find(({ workload }) => workload.object === ids.application || workload.object === ids.object)
  );
};

const explainNearly = (agent: Agent, ids: WorkloadIds): Finding => {
  const { workload } = agent;
  const correct = `The entry of ${agent.id} must have ${entry(ids)}; then apply.`;
  if (workload.tenant !== ids.tenant)
    return problem(
      `${agent.id} is registered with the tenant ${workload.tenant}, the token is of ${ids.tenant}`,
      correct,
    );
  if (workload.object === ids.application)
    return problem(`the application id was put as workload.object of ${agent.id}`, correct);
  return problem(
    `${agent.id} is registered with the object id ${workload.object}, the token's oid is ${ids.object}: the object id of the app registration was put in the registry instead of the service principal's, or the service principal was made anew`,
    `${correct} Its object id: az ad sp show --id ${ids.application} --query id --output tsv`,
  );
};

const explainRegistered = (agent: Agent, ids: WorkloadIds): Findings => {
  if (agent.workload.application !== ids.application)
    return [
      problem(
        `${agent.id} is registered with the application id ${agent.workload.application}, the token has ${ids.application}`,
        `The entry must have ${entry(ids)}; then apply.`,
      ),
    ];
  return agent.enabled
    ? [{ check: 'agent', status: 'ok', message: `the workload is the agent ${agent.id}, which is enabled` }]
    : [
        problem(
          `the workload is the agent ${agent.id}, which is disabled`,
          'Set enabled: true, or put the entry back into the registry, and apply.',
        ),
      ];
};

/** Workloads that are known and yet ask for nothing: APIs, and tools that read pages. */
const explainOther = (registry: Registry, ids: WorkloadIds): Finding | null => {
  const note = (message: string): Finding => ({ check: 'agent', status: 'note', message });
  const api = [...registry.resources.values()].find(
    ({ workload }) => workload?.tenant === ids.tenant && workload.object === ids.object,
  );
  if (api !== undefined)
    return note(`the workload is the API ${api.audience}: it may report uses, not ask for access`);
  const role = TOOL_ROLES.find((name) => Array.isArray(ids.roles) && ids.roles.includes(name));
  return role === undefined
    ? null
    : note(
        `no agent of the registry has this workload; with the app role ${role} it may read the pages as a tool`,
      );
};

/** What the registry has about these ids. */
export const explainAgent = (registry: Registry, ids: WorkloadIds): Findings => {
  const agent = registry.agentOf(ids);
  if (agent !== undefined) return explainRegistered(agent, ids);
  const nearly = findNearly(registry, ids);
  if (nearly !== undefined) return [explainNearly(nearly, ids)];
  return [
    explainOther(registry, ids) ??
      problem('no agent of the registry has this workload', `Register it with ${entry(ids)} and apply.`),
  ];
};
