/** Identifiers are `<prefix>_<128 random bits, base64url>`: unguessable, and told apart at sight. */
import { randomBytes } from 'node:crypto';

/** An access request, `areq_...`: the broker's own name for it, the `txn` claim of its tokens. */
export type RequestId = string & { readonly brand: 'RequestId' };
/** A grant, `grant_...`. */
export type GrantId = string & { readonly brand: 'GrantId' };
/** An access token's `jti` (RFC 7519 section 4.1.7), `tok_...`. */
export type TokenId = string & { readonly brand: 'TokenId' };

/** Prefix of every access request's id; a client's own key may not begin with it. */
export const REQUEST_ID_PREFIX = 'areq_';

const randomId = (prefix: string): string => prefix + randomBytes(16).toString('base64url');

export const newRequestId = (): RequestId => randomId(REQUEST_ID_PREFIX) as RequestId;
export const newGrantId = (): GrantId => randomId('grant_') as GrantId;
export const newTokenId = (): TokenId => randomId('tok_') as TokenId;
