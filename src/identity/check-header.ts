/**
 * What the protected header may say. The algorithm and the key are ours to choose; a header only tells which of
 * the issuer's published keys was used (RFC 8725 sections 3.1, 3.2, 3.10, 3.11). Pure.
 */
import type { AssertionReason } from '../reasons/assertion.ts';

/** The one algorithm Entra signs access tokens with. */
export const ASSERTION_ALGORITHM = 'RS256';

/** Key names as thumbprints are written; nothing that could be a path, a query or a bomb. */
const KEY_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** Whether `value` can name a key. */
export const isKeyId = (value: unknown): value is string => typeof value === 'string' && KEY_ID.test(value);

/** First the kind of token, then what would change how it is read, then what would choose the key. */
const REFUSED_MEMBERS: readonly (readonly [name: string, reason: AssertionReason])[] = [
  ['cty', 'format'],
  ['zip', 'format'],
  ['crit', 'crit'],
  ['b64', 'crit'],
  ['jwk', 'header'],
  ['jku', 'header'],
  ['x5u', 'header'],
  ['x5c', 'header'],
];

/** The `kid` of an acceptable header, or the reason against it. */
export const checkHeader = (
  header: Readonly<Record<string, unknown>>,
): { keyId: string } | { reason: AssertionReason } => {
  const { typ, alg, kid } = header;
  if (typ !== 'JWT') return { reason: 'type' };
  if (alg !== ASSERTION_ALGORITHM) return { reason: 'alg' };
  const refused = REFUSED_MEMBERS.find(([name]) => Object.hasOwn(header, name));
  if (refused) return { reason: refused[1] };
  return isKeyId(kid) ? { keyId: kid } : { reason: 'kid' };
};
