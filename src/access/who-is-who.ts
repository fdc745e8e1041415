/**
 * Who the people behind votes are, by the registry now. Asked at every vote and again whenever a token would leave:
 * somebody may have become an owner after approving, or two accounts turned out to be one person's. Pure.
 */
import { isSamePrincipal, type Principal, type Registry } from '../registry/registry.ts';

/** What the registry says of people, as far as votes on one agent's requests depend on it. */
export type WhoIsWho = Pick<Registry, 'accountsOf' | 'isWorkload'> & {
  /** All accounts of all who answer for the agent, owners and sponsors: none of them may vote. */
  readonly owners: readonly Principal[];
};

/** Null if the agent is in no revision that this replica knows: then nobody can say who answers for it. */
export const whoIsWho = ({ agents, accountsOf, isWorkload }: Registry, agentId: string): WhoIsWho | null => {
  const agent = agents.get(agentId);
  if (agent === undefined) return null;
  const owners = [...agent.owners, ...agent.sponsors].flatMap((person) => [...accountsOf(person)]);
  return { owners, accountsOf, isWorkload };
};

/** Whether the person of this account answers for the agent. */
export const isOwner = ({ owners, accountsOf }: Omit<WhoIsWho, 'isWorkload'>, account: Principal): boolean =>
  [account, ...accountsOf(account)].some((own) => owners.some((owner) => isSamePrincipal(owner, own)));

/** Whether both accounts are of one person. */
export const isSamePerson = (
  { accountsOf }: Pick<WhoIsWho, 'accountsOf'>,
  one: Principal,
  other: Principal,
): boolean => [one, ...accountsOf(one)].some((account) => isSamePrincipal(account, other));

/** A vote as it was cast: by which account, for which groups. */
export type CastVote = Principal & { readonly groups: readonly string[] };

/** The people who cast these votes, each told by their groups: whoever did by several accounts is in all of theirs. */
export const peopleBehind = (
  votes: readonly CastVote[],
  who: Pick<WhoIsWho, 'accountsOf'>,
): readonly (readonly string[])[] => {
  const people: { readonly first: Principal; readonly groups: Set<string> }[] = [];
  for (const vote of votes) {
    const same = people.find(({ first }) => isSamePerson(who, first, vote));
    if (same === undefined) people.push({ first: vote, groups: new Set(vote.groups) });
    else for (const group of vote.groups) same.groups.add(group);
  }
  return people.map(({ groups }) => [...groups]);
};

/** Those of them whose approval counts: neither who answers for the agent nor what is no person. */
export const countedPeople = (
  approvals: readonly CastVote[],
  who: WhoIsWho,
): readonly (readonly string[])[] =>
  peopleBehind(
    approvals.filter((approval) => !who.isWorkload(approval) && !isOwner(who, approval)),
    who,
  );
