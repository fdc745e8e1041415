/**
 * Terms that an approver left less of. Nothing is ever widened: what comes of it is compared with the terms before,
 * part by part, by a check that knows nothing of how it was made. Less is: fewer actions, a shorter grant, one that
 * begins later, fewer tokens, fewer authorization details, and fewer items in those lists of a detail of which the registry says so.
 */
import { canonicalJson } from '../canonical-json.ts';
import type { AuthorizationDetails, Resource } from '../registry/registry.ts';
import type { Terms } from './request-digest.ts';

/** What is left of the terms. */
export type Narrowing = {
  readonly scopes: readonly string[];
  readonly authorizationDetails: AuthorizationDetails;
  readonly grantSeconds: number;
  /** How long after the approval the grant begins, seconds; absent: as before. */
  readonly startsAfterSeconds?: number;
  /** Null: no limit but time. */
  readonly maxTokens: number | null;
};

/** Whether fewer items in this list of a type of details mean less. */
export type MayShorten = Resource['mayShorten'];

/** The terms with what is left of them; no token outlives the grant. Whether that is less, `isWithin` says. */
export const narrowedTerms = (terms: Terms, narrowing: Narrowing): Terms => ({
  ...terms,
  scopes: narrowing.scopes,
  authorization_details: narrowing.authorizationDetails,
  grant_seconds: narrowing.grantSeconds,
  token_seconds: Math.min(terms.token_seconds, narrowing.grantSeconds),
  max_tokens: narrowing.maxTokens,
  ...(narrowing.startsAfterSeconds && { starts_after_seconds: narrowing.startsAfterSeconds }),
});

const isSame = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b);

/** Whether `part` is `whole` with none or some left out, in the same order; `fits` compares two of them. */
const isLeftOf = <Item>(
  part: readonly Item[],
  whole: readonly Item[],
  fits: (left: Item, from: Item) => boolean,
): boolean => {
  let next = 0;
  return part.every((left) => {
    while (next < whole.length) {
      const from = whole[next] as Item;
      next += 1;
      if (fits(left, from)) return true;
    }
    return false;
  });
};

type Detail = AuthorizationDetails[number];

const isDetailWithin = (detail: Detail, from: Detail, mayShorten: MayShorten): boolean =>
  isSame(Object.keys(detail).sort(), Object.keys(from).sort()) &&
  Object.entries(detail).every(([field, value]) => {
    const before = from[field];
    if (isSame(value, before)) return true;
    return (
      Array.isArray(value) &&
      Array.isArray(before) &&
      value.length > 0 &&
      mayShorten(String(from.type), field) &&
      isLeftOf(value, before, isSame)
    );
  });

/** People do not plan what an agent does further ahead than to the next day. */
export const START_MAX_SECONDS = 86_400;

const isCount = (value: number, most: number): boolean =>
  Number.isSafeInteger(value) && value >= 1 && value <= most;

/**
 * Whether `terms` give no more than `before` and differ in nothing else. Something must be left of the actions and of
 * the details: no details at all would mean more than a few.
 */
export const isWithin = (terms: Terms, before: Terms, mayShorten: MayShorten): boolean => {
  const {
    scopes,
    authorization_details,
    grant_seconds,
    token_seconds,
    max_tokens,
    starts_after_seconds: start = 0,
    ...rest
  } = terms;
  const {
    scopes: _s,
    authorization_details: _d,
    grant_seconds: _g,
    token_seconds: _t,
    max_tokens: _m,
    starts_after_seconds: startBefore = 0,
    ...frozen
  } = before;
  return (
    isSame(rest, frozen) &&
    scopes.length > 0 &&
    isLeftOf(scopes, before.scopes, isSame) &&
    authorization_details.length > 0 === before.authorization_details.length > 0 &&
    isLeftOf(authorization_details, before.authorization_details, (detail, from) =>
      isDetailWithin(detail, from, mayShorten),
    ) &&
    isCount(grant_seconds, before.grant_seconds) &&
    Number.isSafeInteger(start) &&
    start >= startBefore &&
    start <= START_MAX_SECONDS &&
    isCount(token_seconds, Math.min(before.token_seconds, grant_seconds)) &&
    (max_tokens === null ? before.max_tokens === null : isCount(max_tokens, before.max_tokens ?? max_tokens))
  );
};
