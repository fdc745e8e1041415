/**
 * The question in its one spelling: checked, capped and in RFC 8785 form, so that equal questions have equal digests
 * and nothing reaches the WebAssembly module that it would read otherwise than we do (lone surrogates become U+FFFD
 * there, deep nesting overflows its stack).
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../canonical-json.ts';
import type { PolicyInput } from './decision.ts';
import { ENVIRONMENTS, SENSITIVITIES } from './rules.ts';

/** Longest question, characters: far above any real one, far below what a form can carry. */
export const INPUT_MAX_LENGTH = 32 * 1024;

/** Deepest nesting of authorization details: RFC 9396 examples reach 3. */
const DETAILS_MAX_DEPTH = 16;

const text = z.string().max(1024);

const isAscending = (values: readonly string[]): boolean =>
  values.every((value, index) => index === 0 || (values[index - 1] ?? '') < value);

const policyInput = z.strictObject({
  now: z.int().min(0),
  agent: z.strictObject({ id: text.min(1), environment: text.nullable() }),
  workload: z.strictObject({
    tenant: text,
    object: text,
    application: text,
    credential: text,
    roles: z.array(text).max(256),
  }),
  resource: z.strictObject({
    audience: text.min(1),
    environment: z.enum(ENVIRONMENTS),
    sensitivity: z.enum(SENSITIVITIES),
  }),
  scopes: z.array(text.min(1)).min(1).max(256).refine(isAscending, 'must be sorted, without duplicates'),
  authorization_details: z.array(z.record(z.string(), z.unknown())),
  key_bound: z.boolean(),
});

const isDeeperThan = (value: unknown, depth: number): boolean =>
  value !== null &&
  typeof value === 'object' &&
  (depth === 0 || Object.values(value).some((member) => isDeeperThan(member, depth - 1)));

/** A question fit to be decided, or why not; either way with the digest by which it is recorded. */
export type CheckedInput =
  | { readonly canonical: string; readonly digest: string }
  | { readonly refused: string; readonly digest: string };

const sha256 = (value: string): string => hash('sha256', value, 'hex');

/** The RFC 8785 form, or the reason that there is none (a lone surrogate, a value that JSON cannot hold). */
const spell = (input: unknown): { readonly canonical: string } | { readonly refused: string } => {
  try {
    return { canonical: canonicalJson(input) };
  } catch (error) {
    return { refused: error instanceof Error ? error.message : 'no canonical form' };
  }
};

/** Why a question is not put to the policy, if it is not. */
const refusalOf = (input: PolicyInput, canonical: string): string | null => {
  if (canonical.length > INPUT_MAX_LENGTH) return `longer than ${INPUT_MAX_LENGTH} characters`;
  const { error } = policyInput.safeParse(input);
  if (error) return z.prettifyError(error);
  return isDeeperThan(input.authorization_details, DETAILS_MAX_DEPTH)
    ? 'authorization_details are nested too deep'
    : null;
};

/**
 * Checks a question and brings it to RFC 8785 form. The digest is SHA-256 of that form, hex; a question that has no
 * such form is refused under the digest of the reason.
 */
export const checkInput = (input: PolicyInput): CheckedInput => {
  const spelled = spell(input);
  if ('refused' in spelled) return { refused: spelled.refused, digest: sha256(spelled.refused) };
  const digest = sha256(spelled.canonical);
  const refused = refusalOf(input, spelled.canonical);
  return refused === null ? { canonical: spelled.canonical, digest } : { refused, digest };
};

/** Names a question whatever the time it was asked at: what was refused must not pass a second later. */
export const timelessDigest = ({ now: _, ...input }: PolicyInput): string => sha256(canonicalJson(input));
