/**
 * Compares the address that a proof names (`htu`) with the one that was asked, as RFC 9449 section 4.3 demands:
 * without query and fragment, after the normalization of RFC 3986 sections 6.2.2 and 6.2.3. Pure.
 */

/** An http address with a host, no user, and nothing that the parser of URLs would quietly repair. */
const ADDRESS = /^https?:\/\/[^\\/?#@\s]+(?:[/?#][^\\\s]*)?$/i;
const UNRESERVED = /^[A-Za-z0-9._~-]$/;

/** Section 6.2.2.2: unreserved characters are never encoded, and the others with upper-case digits. */
const normalizeOctet = (octet: string): string => {
  const character = String.fromCharCode(Number.parseInt(octet.slice(1), 16));
  return UNRESERVED.test(character) ? character : octet.toUpperCase();
};

/** Scheme and host in lower case, no default port, no dot segments, no query; null for what is no http address. */
export const normalizeTarget = (address: string): string | null => {
  if (!ADDRESS.test(address) || !URL.canParse(address)) return null;
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname.replaceAll(/%[0-9a-f]{2}/gi, normalizeOctet)}`;
};

/** Whether two addresses name the same resource. */
export const isSameTarget = (claimed: string, asked: string): boolean => {
  if (claimed === asked) return true;
  const normalized = normalizeTarget(claimed);
  return normalized !== null && normalized === normalizeTarget(asked);
};
