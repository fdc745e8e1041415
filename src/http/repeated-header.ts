/**
 * Header fields that may come once (RFC 9110 section 5.3). Node keeps the first of several and a proxy in front may have
 * read the last: what one of them let through is then not what the other acts on. `DPoP` has an error of its own
 * (RFC 9449 section 4.3, item 1) and is counted where proofs are checked; `Prefer` may be repeated (RFC 7240 section 2).
 */

/** What anything is decided by. */
const SINGLETONS: ReadonlyMap<string, string> = new Map(
  ['Authorization', 'Content-Length', 'Content-Type', 'Host', 'Origin', 'Sec-Fetch-Site'].map((name) => [
    name.toLowerCase(),
    name,
  ]),
);

/** The name of a header field that must come once and came again, as it is usually written; null if none did. */
export const repeatedHeader = (rawHeaders: readonly string[]): string | null => {
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = SINGLETONS.get(rawHeaders[index]?.toLowerCase() ?? '');
    if (name === undefined) continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return null;
};
