/**
 * Who has to approve, and whether those who did are enough. Pure: the same for what a request was opened with and for
 * what its rule says now, because both must hold.
 */
import type { ApprovalTerms } from '../policy/decision.ts';
import { SIGN_IN_MAX_AGE_SECONDS } from '../policy/rules.ts';
import type { Terms } from './request-digest.ts';

/** Prefix of the Entra app role that makes a person eligible: `Approver.<group>`. */
export const APPROVER_ROLE_PREFIX = 'Approver.';

export type Conditions = Pick<
  ApprovalTerms,
  'groups' | 'requiredGroups' | 'quorum' | 'denyQuorum' | 'signInSeconds' | 'authenticationContexts'
>;

/** Terms as an earlier version stored them, too, which knew no more of approvals than groups and a quorum. */
type StoredTerms = Pick<Terms, 'groups' | 'quorum'> & Partial<Terms>;

/** The conditions that were frozen when the request was opened. */
export const conditionsOf = (terms: StoredTerms): Conditions => ({
  groups: terms.groups,
  requiredGroups: terms.required_groups ?? [],
  quorum: terms.quorum,
  denyQuorum: terms.deny_quorum ?? 1,
  signInSeconds: terms.sign_in_seconds ?? SIGN_IN_MAX_AGE_SECONDS,
  authenticationContexts: terms.authentication_contexts ?? [],
});

/** The groups, of those that may approve, which the roles make a person a member of. */
export const eligibleGroups = ({ groups }: Pick<Conditions, 'groups'>, roles: readonly string[]): string[] =>
  groups.filter((group) => roles.includes(APPROVER_ROLE_PREFIX + group));

/** Finds a person for `group`; one who stands for another group already gives way if that one finds somebody else. */
const findPerson = (
  group: string,
  people: readonly (readonly string[])[],
  seats: { readonly standsFor: Map<number, string>; readonly tried: Set<number> },
): boolean =>
  people.some((groups, person) => {
    if (seats.tried.has(person) || !groups.includes(group)) return false;
    seats.tried.add(person);
    const other = seats.standsFor.get(person);
    if (other !== undefined && !findPerson(other, people, seats)) return false;
    seats.standsFor.set(person, group);
    return true;
  });

/** Whether each of the groups has a person of its own: one who is in two of them stands for one. */
const haveOwnPeople = (groups: readonly string[], people: readonly (readonly string[])[]): boolean => {
  const standsFor = new Map<number, string>();
  return groups.every((group) => findPerson(group, people, { standsFor, tried: new Set() }));
};

/** Whether these people, each told by their groups, are enough to approve. */
export const isApprovedBy = (
  people: readonly (readonly string[])[],
  { groups, requiredGroups, quorum }: Pick<Conditions, 'groups' | 'requiredGroups' | 'quorum'>,
): boolean => {
  const eligible = people.filter((own) => own.some((group) => groups.includes(group)));
  return quorum >= 1 && eligible.length >= quorum && haveOwnPeople(requiredGroups, eligible);
};

/** Whether they are enough for what was frozen when the request was opened, and for what policy asks for now. */
export const isApprovedByBoth = (
  people: readonly (readonly string[])[],
  terms: StoredTerms,
  asked: ApprovalTerms | null,
): boolean => isApprovedBy(people, conditionsOf(terms)) && (asked === null || isApprovedBy(people, asked));
