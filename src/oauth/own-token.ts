/** Access tokens of this issuer that come back to it: who signed them is looked at before anything they say. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { parseCompactJws } from '../identity/compact-jws.ts';
import { isSignedBy } from '../identity/is-signed-by.ts';
import { ACCESS_TOKEN_TYPE } from '../tokens/access-token.ts';
import type { PublicJwk } from '../tokens/signing-key.ts';
import type { SigningKeys } from '../tokens/signing-keys.ts';

/** Authorization details make a token long; longer than a form it cannot come. */
const TOKEN_MAX_CHARACTERS = 56 * 1_024;

/** The keys as the cryptographic library reads them, once each: forgotten with what is no longer published. */
const keyObjects = new WeakMap<PublicJwk, KeyObject>();
const keyObjectOf = (jwk: PublicJwk): KeyObject => {
  const key = keyObjects.get(jwk) ?? createPublicKey({ key: jwk, format: 'jwk' });
  keyObjects.set(jwk, key);
  return key;
};

/** The published key of this name. One that another replica has just made is found by a look. */
const findKey = async (keys: OwnKeys, kid: string): Promise<PublicJwk | undefined> => {
  const isNamed = (key: PublicJwk): boolean => key.kid === kid;
  const known = keys.published().find(isNamed);
  if (known !== undefined || keys.isGone(kid)) return known;
  await keys.look();
  return keys.published().find(isNamed);
};

export type OwnKeys = Pick<SigningKeys, 'published' | 'isGone' | 'look'>;

export type OwnToken = {
  readonly kid: string;
  readonly jti: string;
  /** Every claim, as it was signed. */
  readonly payload: Readonly<Record<string, unknown>>;
};

/**
 * The token, if a key that is published now has signed it; null for whatever else was sent. Whether it is expired or
 * was taken back is not looked at. Throws `DatabaseUnavailable` where keys cannot be looked at.
 */
export const readOwnToken = async (keys: OwnKeys, token: string): Promise<OwnToken | null> => {
  const read = parseCompactJws(token, TOKEN_MAX_CHARACTERS);
  if ('reason' in read) return null;
  const { typ, alg, kid } = read.header;
  const { jti } = read.payload;
  if (typ !== ACCESS_TOKEN_TYPE || typeof kid !== 'string' || typeof jti !== 'string') return null;
  const key = await findKey(keys, kid);
  if (key === undefined || key.alg !== alg || !isSignedBy(token, keyObjectOf(key))) return null;
  return { kid, jti, payload: read.payload };
};
