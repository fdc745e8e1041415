/**
 * What Entra says of an agent identity beside who it is: labels for people and the trail. Nothing is ever decided by
 * them, so whatever they say, in any order, an assertion is neither better nor worse for it. Pure.
 */

/** Facets of the actor (`xms_act_fct`) and the subject (`xms_sub_fct`): numbers of Entra's, ascending. */
export type AgentFacets = { readonly actor: readonly number[]; readonly subject: readonly number[] };

/** Up to 20 small numbers with one space between them; Entra sends three or four, in no order. */
const FACETS = /^\d{1,4}(?: \d{1,4}){0,19}$/;

const readFacets = (claim: unknown): readonly number[] =>
  typeof claim === 'string' && FACETS.test(claim)
    ? [...new Set(claim.split(' ').map(Number))].sort((one, other) => one - other)
    : [];

/** The facets of two claims; null if Entra sent none, as for everything that is no agent identity. */
export const readAgentFacets = (actor: unknown, subject: unknown): AgentFacets | null =>
  actor === undefined && subject === undefined
    ? null
    : { actor: readFacets(actor), subject: readFacets(subject) };
