/**
 * The public key that a proof embeds (RFC 9449 section 4.2), taken only if it is sound, of the one kind that its
 * algorithm needs, and written in the one way that gives it one thumbprint.
 */
import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { decodeBase64url } from '../base64url.ts';
import { derSignature } from './der-signature.ts';

/** `EdDSA` is the older name of `Ed25519` (RFC 9864), which clients go on using. */
export const PROOF_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA', 'RS256'] as const;
export type ProofAlgorithm = (typeof PROOF_ALGORITHMS)[number];

const MODULUS_MIN_BITS = 2_048;
/** The caller pays for its key's size; beyond this the broker would. */
const MODULUS_MAX_BITS = 4_096;
/** 65537, the only exponent anybody sound uses. */
const EXPONENT = 'AQAB';
/** Of a coordinate of P-256, and of an Ed25519 point. */
const COORDINATE_BYTES = 32;

const PRIVATE_MEMBERS: readonly string[] = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

type Jwk = Readonly<Record<string, unknown>>;

export type ProofKey = {
  /** RFC 7638 with SHA-256: the `jkt` of what is bound to this key. */
  readonly thumbprint: string;
  /** Whether `signature` is this key's, by `algorithm`, over `data`. */
  readonly verifies: (data: Buffer, signature: Buffer) => boolean;
};

export const isProofAlgorithm = (value: unknown): value is ProofAlgorithm =>
  PROOF_ALGORITHMS.some((algorithm) => algorithm === value);

const isCoordinate = (value: unknown): value is string =>
  typeof value === 'string' && decodeBase64url(value)?.length === COORDINATE_BYTES;

/**
 * The y of Ed25519 points of small order, hex, the sign of x left out. One signature, made without any private key, is
 * such a key's over every eighth text or over all, where the library does not refuse it (RFC 8032 leaves it open).
 */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);
/** A y that is written one prime too large: another spelling of a small one. */
const NOT_REDUCED = /^e[d-f](?:ff){30}7f$|^f[0-9a-f](?:ff){30}7f$/;

const isEdwardsPoint = (value: unknown): value is string => {
  if (!isCoordinate(value)) return false;
  const point = Buffer.from(value, 'base64url');
  point.writeUInt8(point.readUInt8(COORDINATE_BYTES - 1) & 0x7f, COORDINATE_BYTES - 1);
  const y = point.toString('hex');
  return !SMALL_ORDER.has(y) && !NOT_REDUCED.test(y);
};

const isModulus = (value: unknown): value is string => {
  const modulus = typeof value === 'string' ? decodeBase64url(value) : null;
  const first = modulus?.[0];
  if (!modulus || !first) return false;
  const bits = modulus.length * 8 - (Math.clz32(first) - 24);
  return bits >= MODULUS_MIN_BITS && bits <= MODULUS_MAX_BITS;
};

/** The members that make the key, in the order of RFC 7638 section 3.2; null if it is no such key. */
const REQUIRED: Readonly<Record<ProofAlgorithm, (jwk: Jwk) => Record<string, string> | null>> = {
  ES256: ({ crv, kty, x, y }) =>
    kty === 'EC' && crv === 'P-256' && isCoordinate(x) && isCoordinate(y) ? { crv, kty, x, y } : null,
  Ed25519: ({ crv, kty, x }) =>
    kty === 'OKP' && crv === 'Ed25519' && isEdwardsPoint(x) ? { crv, kty, x } : null,
  EdDSA: (jwk) => REQUIRED.Ed25519(jwk),
  RS256: ({ e, kty, n }) => (kty === 'RSA' && e === EXPONENT && isModulus(n) ? { e, kty, n } : null),
};

const isForSignatures = ({ use, key_ops: operations }: Jwk): boolean =>
  (use === undefined || use === 'sig') &&
  (operations === undefined || (Array.isArray(operations) && operations.includes('verify')));

const VERIFY: Readonly<Record<ProofAlgorithm, (key: KeyObject, data: Buffer, signature: Buffer) => boolean>> =
  {
    ES256: (key, data, signature) => {
      const der = derSignature(signature);
      return der !== null && verify('sha256', data, key, der);
    },
    Ed25519: (key, data, signature) => verify(null, data, key, signature),
    EdDSA: (key, data, signature) => verify(null, data, key, signature),
    RS256: (key, data, signature) => verify('sha256', data, key, signature),
  };

/** Null for a point that is not on its curve. */
const importKey = (members: Record<string, string>): KeyObject | null => {
  try {
    return createPublicKey({ key: members, format: 'jwk' });
  } catch {
    return null;
  }
};

/** Keys kept, a few KiB each; senders use theirs for a long time, and reading one costs half a verification. */
const KEYS_MAX = 1_000;

/** The key in `jwk` for `algorithm`; null if it is private, of another kind, weak or malformed. */
export type ReadProofKey = (jwk: Jwk, algorithm: ProofAlgorithm) => ProofKey | null;

/** Remembers the keys it read last, by their thumbprints: it saves work, never a check. */
export const createProofKeyReader = (keysMax = KEYS_MAX): ReadProofKey => {
  const known = new Map<string, KeyObject>();
  const keyOf = (thumbprint: string, members: Record<string, string>): KeyObject | null => {
    const key = known.get(thumbprint) ?? importKey(members);
    if (key === null) return null;
    known.delete(thumbprint);
    known.set(thumbprint, key);
    const [oldest] = known.keys();
    if (known.size > keysMax && oldest !== undefined) known.delete(oldest);
    return key;
  };
  return (jwk, algorithm) => {
    if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) return null;
    if (jwk.alg !== undefined && jwk.alg !== algorithm) return null;
    const members = isForSignatures(jwk) ? REQUIRED[algorithm](jwk) : null;
    if (members === null) return null;
    const thumbprint = hash('sha256', JSON.stringify(members), 'base64url');
    const key = keyOf(thumbprint, members);
    return key && { thumbprint, verifies: (data, signature) => VERIFY[algorithm](key, data, signature) };
  };
};
