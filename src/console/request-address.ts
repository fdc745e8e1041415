/** The request that an address names. */
import type { ConsoleContext } from './console-parts.ts';

const REQUEST_ID = /^[A-Za-z0-9._~-]{1,128}$/;

/** `{request_id}` of the path; null if it has a form that no request's id has. */
export const requestIdOf = (context: ConsoleContext): string | null => {
  const id = context.params.request_id ?? '';
  return REQUEST_ID.test(id) ? id : null;
};

/** Where the form posts to that ends a request's grant. */
export const grantPathOf = (requestId: string): string => `/requests/${requestId}/grant`;
