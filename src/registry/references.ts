/** What no single entry shows: ids given twice, access to what is not there, a workload that is two things. */
import type { AgentEntry, PersonEntry, ResourceEntry } from './registry-schema.ts';

/** An entry and where it stands: `at(path)` names a place within it. */
export type Located<Entry> = {
  readonly entry: Entry;
  readonly at: (path: readonly PropertyKey[]) => string;
};

export type Entries = {
  readonly agents: readonly Located<AgentEntry>[];
  readonly resources: readonly Located<ResourceEntry>[];
  readonly people: readonly Located<PersonEntry>[];
  /** Audiences whose entry has problems of its own: an access to them is not one more. */
  readonly unreadAudiences: readonly string[];
};

const workloadKey = ({ tenant, object }: { tenant: string; object: string }): string => `${tenant}/${object}`;

const checkIds = ({ agents, resources, people }: Entries): string[] => {
  const problems: string[] = [];
  const first = new Map<string, string>();
  const note = (key: string, what: string, at: Located<unknown>['at']): void => {
    const before = first.get(key);
    if (before === undefined) first.set(key, at([]));
    else problems.push(`${at([])}: ${what} is already at ${before}; keep one of them`);
  };
  for (const { entry, at } of agents) note(`agent ${entry.id}`, `agent ${entry.id}`, at);
  for (const { entry, at } of resources) note(`resource ${entry.audience}`, `resource ${entry.audience}`, at);
  for (const { entry, at } of people) {
    note(`person ${entry.id}`, `person ${entry.id}`, at);
    for (const account of entry.accounts)
      note(`account ${workloadKey(account)}`, `the account ${account.object}`, at);
  }
  return problems;
};

const checkAccess = ({ agents, resources, unreadAudiences }: Entries): string[] => {
  const scopesOf = new Map(resources.map(({ entry }) => [entry.audience, entry.scopes]));
  return agents.flatMap(({ entry: agent, at }) =>
    agent.access.flatMap(({ audience, scopes }, index) => {
      const known = scopesOf.get(audience);
      if (known === undefined)
        return unreadAudiences.includes(audience)
          ? []
          : [
              `${at(['access', index, 'audience'])}: no resource has the audience ${audience}; add it or correct this`,
            ];
      return scopes.flatMap((scope, position) =>
        Object.hasOwn(known, scope)
          ? []
          : [
              `${at(['access', index, 'scopes', position])}: ${audience} has no scope ${scope}; add it or correct this`,
            ],
      );
    }),
  );
};

const checkDefaultScopes = ({ resources }: Entries): string[] =>
  resources.flatMap(({ entry, at }) =>
    entry.default_scopes.flatMap((scope, position) =>
      Object.hasOwn(entry.scopes, scope)
        ? []
        : [
            `${at(['default_scopes', position])}: this resource has no scope ${scope}; add it or correct this`,
          ],
    ),
  );

/** A workload is one agent, or the workload of APIs, never two agents and never both. */
export const checkWorkloads = ({ agents, resources }: Pick<Entries, 'agents' | 'resources'>): string[] => {
  const problems: string[] = [];
  const agentOf = new Map<string, string>();
  for (const { entry, at } of agents) {
    const before = agentOf.get(workloadKey(entry.workload));
    if (before === undefined) agentOf.set(workloadKey(entry.workload), entry.id);
    else if (before !== entry.id)
      problems.push(
        `${at(['workload'])}: ${entry.id} has the workload of ${before}; one workload is one agent`,
      );
  }
  for (const { entry, at } of resources) {
    const agent = entry.workload && agentOf.get(workloadKey(entry.workload));
    if (agent !== undefined)
      problems.push(
        `${at(['workload'])}: this is the workload of agent ${agent}; an API needs one of its own`,
      );
  }
  return problems;
};

/** Every problem between entries, one line each. */
export const checkReferences = (entries: Entries): string[] => [
  ...checkIds(entries),
  ...checkAccess(entries),
  ...checkDefaultScopes(entries),
  ...checkWorkloads(entries),
];
