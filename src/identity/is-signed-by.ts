import { type KeyObject, verify } from 'node:crypto';

/**
 * RS256 (RFC 7518 section 3.3) over a compact JWS whose three parts are canonical base64url. Synchronous, because
 * handing so little to another thread costs several times what it takes.
 */
export const isSignedBy = (assertion: string, key: KeyObject): boolean => {
  const end = assertion.lastIndexOf('.');
  const signature = Buffer.from(assertion.slice(end + 1), 'base64url');
  return verify('RSA-SHA256', Buffer.from(assertion.slice(0, end)), key, signature);
};
