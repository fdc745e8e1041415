/** What differs between two terms of one request, in words. Pure. */

import { duration, list } from '../../views/words.ts';
import type { Terms } from '../access/request-digest.ts';

const tokens = (count: number | null): string => (count === null ? 'any number' : String(count));

const begin = ({ starts_after_seconds: seconds = 0 }: Terms): string =>
  seconds === 0 ? 'at once' : `after ${duration(seconds)}`;

/** One entry for each thing that differs; empty if only its signature would. */
export const changesOf = (before: Terms, after: Terms): string[] => {
  const changed = (name: string, from: string, to: string): string[] =>
    from === to ? [] : [`${name} ${to} instead of ${from}`];
  return [
    ...changed('actions', list(before.scopes), list(after.scopes)),
    ...changed('time', duration(before.grant_seconds), duration(after.grant_seconds)),
    ...changed('begin', begin(before), begin(after)),
    ...changed('tokens', tokens(before.max_tokens), tokens(after.max_tokens)),
    ...changed(
      'details',
      JSON.stringify(before.authorization_details),
      JSON.stringify(after.authorization_details),
    ),
  ];
};
