/**
 * Reads an issuer's JWK Set (RFC 7517) into keys that may verify its tokens. A key is taken only if it is a sound
 * RSA public key meant for signatures and published for this very issuer: Entra publishes keys of other issuers
 * in the same document, and taking those was Storm-0558. Bad keys are left out and told; a document without a
 * single good key is refused whole.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { decodeBase64url } from '../base64url.ts';
import { isJsonObject, parseStrictJson } from '../strict-json.ts';
import { ASSERTION_ALGORITHM, isKeyId } from './check-header.ts';
import { isRocaModulus } from './roca.ts';

/** Entra publishes about ten. */
const KEYS_MAX = 50;
const MODULUS_MIN_BITS = 2_048;
/** Beyond this a single verification costs milliseconds. */
const MODULUS_MAX_BITS = 8_192;
/** 65537, the only exponent anybody sound uses. */
const EXPONENT = 'AQAB';

const PRIVATE_MEMBERS: readonly string[] = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

type Jwk = Readonly<Record<string, unknown>>;

/** A key to verify with, or `foreign`: published here, but for another issuer. */
export type PublishedKey = KeyObject | 'foreign';

export type KeySet = {
  /** By `kid`. At least one is a key. */
  readonly keys: ReadonlyMap<string, PublishedKey>;
  /** What was left out, and why. */
  readonly refused: readonly { readonly keyId: string; readonly problem: string }[];
};

export type ParseKeySetFor = { readonly issuer: string; readonly tenantId: string };

const checkModulus = (n: unknown): string | null => {
  const modulus = typeof n === 'string' ? decodeBase64url(n) : null;
  const first = modulus?.[0];
  if (!modulus || !first) return 'its modulus is malformed';
  const bits = modulus.length * 8 - (Math.clz32(first) - 24);
  if (bits < MODULUS_MIN_BITS || bits > MODULUS_MAX_BITS) return `its modulus has ${bits} bits`;
  return isRocaModulus(modulus) ? 'it comes from the flawed generator of CVE-2017-15361' : null;
};

const checkPurpose = ({ use, alg, key_ops: operations }: Jwk): string | null => {
  if (use !== undefined && use !== 'sig') return 'it is not meant for signatures';
  if (alg !== undefined && alg !== ASSERTION_ALGORITHM) return 'it is meant for another algorithm';
  const verifies = Array.isArray(operations) && operations.length === 1 && operations[0] === 'verify';
  return operations === undefined || verifies ? null : 'it is meant for other operations';
};

const checkKey = (jwk: Jwk): string | null => {
  if (jwk.kty !== 'RSA') return 'it is no RSA key';
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name)))
    return 'it is published with its private part';
  if (jwk.e !== EXPONENT) return 'its exponent is not 65537';
  return checkPurpose(jwk) ?? checkModulus(jwk.n);
};

/** Entra's documents are templates: `{tenantid}` stands for the tenant asked. Version 1.0 keys name no issuer. */
const isForeign = ({ issuer }: Jwk, { issuer: expected, tenantId }: ParseKeySetFor): boolean =>
  issuer !== undefined &&
  !(typeof issuer === 'string' && issuer.replaceAll('{tenantid}', tenantId) === expected);

const importKey = ({ n, e }: Jwk): KeyObject =>
  createPublicKey({ key: { kty: 'RSA', n: String(n), e: String(e) }, format: 'jwk' });

const readJwks = (text: string): readonly unknown[] => {
  const { value } = parseStrictJson(text);
  if (!isJsonObject(value) || !Array.isArray(value.keys)) throw new Error('the document is no JWK Set');
  if (value.keys.length > KEYS_MAX) throw new Error(`the document has more than ${KEYS_MAX} keys`);
  return value.keys;
};

/** Rejects when the document is malformed or holds no key that could verify a token of `target.issuer`. */
export const parseKeySet = async (text: string, target: ParseKeySetFor): Promise<KeySet> => {
  const good = new Map<string, Jwk>();
  const foreign: string[] = [];
  const refused: { keyId: string; problem: string }[] = [];
  const seen = new Set<string>();
  for (const jwk of readJwks(text)) {
    if (!isJsonObject(jwk) || !isKeyId(jwk.kid)) {
      refused.push({ keyId: '', problem: 'it has no usable kid' });
    } else if (isForeign(jwk, target)) {
      foreign.push(jwk.kid);
    } else {
      const problem = seen.has(jwk.kid) ? 'its kid is published twice' : checkKey(jwk);
      seen.add(jwk.kid);
      if (problem === null) good.set(jwk.kid, jwk);
      else {
        good.delete(jwk.kid);
        refused.push({ keyId: jwk.kid, problem });
      }
    }
  }
  if (good.size === 0) throw new Error('the document has no usable key');
  const keys = new Map<string, PublishedKey>(foreign.map((keyId) => [keyId, 'foreign']));
  for (const [keyId, jwk] of good) keys.set(keyId, importKey(jwk));
  return { keys, refused };
};
