/**
 * JWS compact serialisation (RFC 7515) by hand and byte for byte: a stand-in that is used to test verifiers must be
 * able to sign what a decent library refuses to.
 */
import { constants, createHmac, type KeyObject, sign } from 'node:crypto';

const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');

const HASHES = { '256': 'sha256', '384': 'sha384', '512': 'sha512' } as const;
const ALGORITHM = /^(?<family>HS|RS|PS)(?<bits>256|384|512)$/;

const isBits = (bits: string | undefined): bits is keyof typeof HASHES =>
  bits !== undefined && bits in HASHES;

const signatureOf = (
  input: Buffer,
  algorithm: unknown,
  by: { key: KeyObject; secret?: string | undefined },
): Buffer => {
  if (typeof algorithm === 'string' && algorithm.toLowerCase() === 'none') return Buffer.alloc(0);
  const groups = typeof algorithm === 'string' ? ALGORITHM.exec(algorithm)?.groups : undefined;
  const hash = isBits(groups?.bits) ? HASHES[groups.bits] : HASHES['256'];
  if (groups?.family === 'HS') {
    if (by.secret === undefined) throw new TypeError('an HS algorithm needs a secret');
    return createHmac(hash, by.secret).update(input).digest();
  }
  if (groups?.family === 'PS') {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return sign(hash, input, { key: by.key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
  }
  return sign(hash, input, by.key);
};

/**
 * Signs `header` and `payload`, texts that are taken as they are. The algorithm is the header's: `none` gives an empty
 * signature, HS256/384/512 use `secret`, RS and PS the key; anything else, or a header that cannot be read, is signed
 * as RS256.
 * @throws TypeError when the header says HS and there is no secret
 */
export const signCompact = (
  header: string,
  payload: string,
  by: { readonly key: KeyObject; readonly secret?: string | undefined },
): string => {
  let algorithm: unknown;
  try {
    const parsed: unknown = JSON.parse(header);
    if (typeof parsed === 'object' && parsed !== null && 'alg' in parsed) algorithm = parsed.alg;
  } catch {
    algorithm = undefined;
  }
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signatureOf(Buffer.from(input), algorithm, by).toString('base64url')}`;
};

/** Signs `claims` as RS256 under `header`, which names the key. */
export const signToken = (
  header: Readonly<Record<string, string>>,
  claims: Readonly<Record<string, unknown>>,
  key: KeyObject,
): string => signCompact(JSON.stringify({ ...header, alg: 'RS256' }), JSON.stringify(claims), { key });
