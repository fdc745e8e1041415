import type { ForgeryReason } from '../reasons/console.ts';

/**
 * A post counts only from our own pages. Browsers say where one comes from in two headers that pages cannot write:
 * each that is there must be right, and one must be there. `same-site` is not enough: a neighbour's page is not ours.
 */
export const checkSameOrigin = (
  headers: { readonly origin: string | undefined; readonly fetchSite: string | undefined },
  origin: string,
): Exclude<ForgeryReason, 'action_token'> | null => {
  if (headers.origin === undefined && headers.fetchSite === undefined) return 'no_origin';
  if (headers.origin !== undefined && headers.origin !== origin) return 'other_origin';
  return headers.fetchSite !== undefined && headers.fetchSite !== 'same-origin' ? 'other_site' : null;
};
