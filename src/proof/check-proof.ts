/**
 * A DPoP proof (RFC 9449 section 4): a JWT that its sender signed for this one request with a key it embeds. Nothing
 * in it is believed before its form is strict and its signature good. What a proof was used for before, a nonce and
 * the token it goes with are the caller's to check.
 */
import { isUtf8 } from 'node:buffer';
import { decodeBase64url } from '../base64url.ts';
import { isJsonObject, parseStrictJson } from '../strict-json.ts';
import { isSameTarget } from './http-target.ts';
import { createProofKeyReader, isProofAlgorithm } from './proof-key.ts';

/** A proof with an RSA key of 4096 bits has about 2,000. */
const PROOF_MAX_CHARACTERS = 4_096;
/** A proof is made for one request: older than this it was kept. */
export const PROOF_MAX_AGE_SECONDS = 60;
/** How far a sender's clock may be ahead. */
export const PROOF_MAX_AHEAD_SECONDS = 30;
const JTI_MAX_CHARACTERS = 128;

export type ProofReason =
  | 'proof_malformed'
  | 'proof_type'
  | 'proof_algorithm'
  | 'proof_key'
  | 'proof_signature'
  | 'proof_method'
  | 'proof_target'
  | 'proof_time';

/** The request that a proof must have been made for. */
export type ProofDemand = {
  readonly method: string;
  /** The whole address as senders know it; its query does not count. */
  readonly target: string;
  /** Seconds since the epoch. */
  readonly now: number;
};

/** What a good proof says. */
export type Proof = {
  /** RFC 7638 thumbprint of the sender's key. */
  readonly thumbprint: string;
  /** Names the proof among those of its key: a second one of the same name is a replay. */
  readonly jti: string;
  /** `iat`, seconds since the epoch. */
  readonly issuedAt: number;
  readonly nonce: string | null;
  /** `ath`: SHA-256 of the access token that the proof goes with, base64url. */
  readonly accessTokenHash: string | null;
};

type Members = Readonly<Record<string, unknown>>;
type Failure = { readonly reason: ProofReason };

const MALFORMED: Failure = { reason: 'proof_malformed' };

/** What would change how the proof is read, or which key it is verified with. */
const REFUSED_MEMBERS: readonly string[] = ['crit', 'b64', 'zip', 'cty', 'jku', 'x5u', 'x5c'];

const readMembers = (part: string): Members | null => {
  const bytes = decodeBase64url(part);
  if (bytes === null || !isUtf8(bytes)) return null;
  const { value } = parseStrictJson(bytes.toString());
  return isJsonObject(value) ? value : null;
};

type Parsed = {
  readonly header: Members;
  readonly claims: Members;
  readonly signed: Buffer;
  readonly signature: Buffer;
};

/** One compact JWS (RFC 7515 section 3.1) of canonical parts. */
const parse = (proof: string): Parsed | null => {
  if (proof.length > PROOF_MAX_CHARACTERS) return null;
  const [headerPart = '', claimsPart = '', signaturePart = '', ...rest] = proof.split('.', 4);
  if (signaturePart === '' || rest.length > 0) return null;
  const header = readMembers(headerPart);
  const claims = header && readMembers(claimsPart);
  const signature = claims && decodeBase64url(signaturePart);
  if (!header || !claims || !signature) return null;
  return { header, claims, signature, signed: Buffer.from(`${headerPart}.${claimsPart}`) };
};

const isOptionalText = (value: unknown): value is string | undefined =>
  value === undefined || typeof value === 'string';

const checkClaims = (claims: Members, demand: ProofDemand): Omit<Proof, 'thumbprint'> | Failure => {
  const { jti, htm, htu, iat, exp, nbf, nonce, ath } = claims;
  if (typeof jti !== 'string' || jti === '' || [...jti].length > JTI_MAX_CHARACTERS) return MALFORMED;
  if (typeof htm !== 'string' || typeof htu !== 'string' || typeof iat !== 'number') return MALFORMED;
  if (!isOptionalText(nonce) || !isOptionalText(ath)) return MALFORMED;
  if (htm !== demand.method) return { reason: 'proof_method' };
  if (!isSameTarget(htu, demand.target)) return { reason: 'proof_target' };
  const age = demand.now - iat;
  if (!(age <= PROOF_MAX_AGE_SECONDS && age >= -PROOF_MAX_AHEAD_SECONDS)) return { reason: 'proof_time' };
  // RFC 9449 has neither, RFC 7519 sections 4.1.4 and 4.1.5 say what they mean where they stand.
  if (exp !== undefined && !(typeof exp === 'number' && demand.now < exp)) return { reason: 'proof_time' };
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf - demand.now <= PROOF_MAX_AHEAD_SECONDS))
    return { reason: 'proof_time' };
  return { jti, issuedAt: iat, nonce: nonce ?? null, accessTokenHash: ath ?? null };
};

/** Checks the values of all `DPoP` headers of a request: exactly one good proof, or the reason against it. */
export type CheckProof = (
  proofs: readonly string[],
  demand: ProofDemand,
) => { readonly proof: Proof } | Failure;

export const createProofCheck = (): CheckProof => {
  const readKey = createProofKeyReader();
  return (proofs, demand) => {
    const [only, ...others] = proofs;
    const parsed = only === undefined || others.length > 0 ? null : parse(only);
    if (parsed === null) return MALFORMED;
    const { header, claims, signed, signature } = parsed;
    if (header.typ !== 'dpop+jwt') return { reason: 'proof_type' };
    if (!isProofAlgorithm(header.alg)) return { reason: 'proof_algorithm' };
    if (REFUSED_MEMBERS.some((name) => Object.hasOwn(header, name))) return MALFORMED;
    // The claims first: they cost nothing, reading a key and verifying do.
    const checked = checkClaims(claims, demand);
    if ('reason' in checked) return checked;
    const key = isJsonObject(header.jwk) ? readKey(header.jwk, header.alg) : null;
    if (key === null) return { reason: 'proof_key' };
    if (!key.verifies(signed, signature)) return { reason: 'proof_signature' };
    return { proof: { thumbprint: key.thumbprint, ...checked } };
  };
};
