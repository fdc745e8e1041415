/**
 * The one spelling of an audience. A resource is found by comparing bytes, here and in every API that checks `aud`;
 * so a registered audience has nothing that two parsers could read as the same thing spelled otherwise.
 */

/** Longest audience, characters: it is repeated in every token and every event. */
export const AUDIENCE_MAX_LENGTH = 200;

/** Characters of an audience: no percent-encoding, query, fragment, user or IPv6 literal can be written with them. */
export const AUDIENCE_PATTERN = /^[a-z][a-z0-9+.-]*:[A-Za-z0-9._~:/+-]+$/;

/**
 * What keeps `value` from being a canonical absolute URI (RFC 3986 section 4.3, as RFC 8707 section 2 wants it),
 * in words that follow the audience's name; null if nothing does.
 */
export const checkAudience = (value: string): string | null => {
  if (!AUDIENCE_PATTERN.test(value) || !URL.canParse(value))
    return 'must be an absolute URI of letters, digits and "._~:/+-", such as api://payroll.prod (no query, no fragment)';
  const [, hierarchical = '', authority = '', path = ''] = /^[^:]+:(\/\/)?([^/]*)(.*)$/.exec(value) ?? [];
  if (authority !== authority.toLowerCase())
    return 'must have its host (or the whole of a URN) in lower case';
  if (value.endsWith('/')) return 'must not end with a slash';
  const segments = hierarchical === '' ? value.split(/[/:]/) : [authority, ...path.split('/').slice(1)];
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..'))
    return 'must not have an empty part, "." or ".."';
  const { href } = new URL(value);
  return href === value || href === `${value}/` ? null : `must be spelled as ${href.replace(/\/$/, '')}`;
};
