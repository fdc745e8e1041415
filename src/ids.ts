/** Identifiers are `<prefix>_<128 random bits, base64url>`: unguessable, and told apart at sight. */
import { randomFillSync } from 'node:crypto';

/** An access request, `areq_...`: the broker's own name for it, the `txn` claim of its tokens. */
export type RequestId = string & { readonly brand: 'RequestId' };
/** A grant, `grant_...`. */
export type GrantId = string & { readonly brand: 'GrantId' };
/** An access token's `jti` (RFC 7519 section 4.1.7), `tok_...`. */
export type TokenId = string & { readonly brand: 'TokenId' };

/** Prefix of every access request's id; a client's own key may not begin with it. */
export const REQUEST_ID_PREFIX = 'areq_';

/** Asking the system for random bytes costs the same for one id as for many; each byte is handed out once. */
const pool = Buffer.allocUnsafeSlow(4_096);
let used = pool.length;

/** 128 fresh random bits. */
const randomText = (encoding: 'base64url' | 'hex'): string => {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = pool.subarray(used, used + 16);
  used += 16;
  const text = bytes.toString(encoding);
  bytes.fill(0);
  return text;
};

const randomId = (prefix: string): string => prefix + randomText('base64url');

export const newRequestId = (): RequestId => randomId(REQUEST_ID_PREFIX) as RequestId;
export const newGrantId = (): GrantId => randomId('grant_') as GrantId;
export const newTokenId = (): TokenId => randomId('tok_') as TokenId;

/** A kill switch, `block_...`. */
export const newBlockId = (): string => randomId('block_');

/** A trace id of W3C Trace Context: 32 hex digits. */
export const newTraceId = (): string => randomText('hex');
