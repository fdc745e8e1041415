/**
 * What a person leaves of the terms, as the form on the page says it: everything is counted off the terms that the
 * page showed, so that no field can name what they do not hold. Pure.
 */

import { type MayShorten, type Narrowing, narrowedTerms, START_MAX_SECONDS } from '../access/narrowing.ts';
import type { Terms } from '../access/request-digest.ts';
import { canonicalJson } from '../canonical-json.ts';

/** Nobody counts more tokens than this by hand. */
const TOKENS_MAX = 10_000;

/** Longest form text that is read, characters: a page of checkboxes has a tenth of it. */
export const NARROWING_MAX_LENGTH = 16_000;

type Detail = Narrowing['authorizationDetails'][number];

const keepItems = (
  detail: Detail,
  index: number,
  { form, mayShorten }: { readonly form: URLSearchParams; readonly mayShorten: MayShorten },
): Detail =>
  Object.fromEntries(
    Object.entries(detail).map(([field, value]) => {
      if (!Array.isArray(value) || !mayShorten(String(detail.type), field)) return [field, value];
      const kept = form.getAll(`item.${index}.${field}`);
      return [field, value.filter((_item, place) => kept.includes(String(place)))];
    }),
  );

/** A whole number from 1 to `most`; `otherwise` if the form leaves the field out, null if it is anything else. */
const numberOf = (text: string | null, most: number): number | 'absent' | null => {
  if (text === null || text === '') return 'absent';
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= most ? value : null;
};

/** Seconds from 0 to a day, never sooner than the terms say; null for anything else. */
const startOf = (text: string | null, { starts_after_seconds: before = 0 }: Terms): number | null => {
  const value = text === null || text === '' ? before : /^\d{1,6}$/.test(text) ? Number(text) : -1;
  return value >= before && value <= START_MAX_SECONDS ? value : null;
};

/** Reads the form; `text` as a query string. Null: it narrows nothing. */
export const parseNarrowing = (
  text: string,
  terms: Terms,
  mayShorten: MayShorten,
): { readonly narrowing: Narrowing } | { readonly problem: string } | null => {
  const form = new URLSearchParams(text.slice(0, NARROWING_MAX_LENGTH));
  if (form.get('narrow') !== '1') return null;
  const scopes = terms.scopes.filter((scope) => form.getAll('keep').includes(scope));
  if (scopes.length === 0) return { problem: 'Keep at least one action, or deny.' };
  const authorizationDetails = terms.authorization_details
    .map((detail, index) => ({ detail: keepItems(detail, index, { form, mayShorten }), index }))
    .filter(({ index }) => form.getAll('detail').includes(String(index)))
    .map(({ detail }) => detail);
  const isEmptied = (detail: Detail): boolean =>
    Object.entries(detail).some(
      ([field, value]) =>
        Array.isArray(value) && value.length === 0 && mayShorten(String(detail.type), field),
    );
  if (terms.authorization_details.length > 0 && authorizationDetails.length === 0)
    return { problem: 'Keep at least one of the details, or deny.' };
  if (authorizationDetails.some(isEmptied))
    return { problem: 'Keep at least one item of each list, or drop the whole detail.' };
  const grantSeconds = numberOf(form.get('grant_seconds'), terms.grant_seconds);
  if (grantSeconds === null) return { problem: 'The time can only be made shorter.' };
  const maxTokens = numberOf(form.get('max_tokens'), terms.max_tokens ?? TOKENS_MAX);
  if (maxTokens === null) return { problem: 'The number of tokens can only be made smaller.' };
  const startsAfterSeconds = startOf(form.get('starts_after_seconds'), terms);
  if (startsAfterSeconds === null) return { problem: 'It can only begin later, within a day.' };
  const narrowing = {
    scopes,
    startsAfterSeconds,
    authorizationDetails,
    grantSeconds: grantSeconds === 'absent' ? terms.grant_seconds : grantSeconds,
    maxTokens: maxTokens === 'absent' ? terms.max_tokens : maxTokens,
  };
  return canonicalJson(narrowedTerms(terms, narrowing)) === canonicalJson(terms) ? null : { narrowing };
};
