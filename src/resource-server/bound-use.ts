/**
 * Whether a token may be used the way it was sent (RFC 9449 sections 7.1 and 7.2): one that is bound to a key only
 * with a proof of that key for this very request and token, any other only as a bearer token.
 */
import { createHash } from 'node:crypto';
import { createProofCheck } from '../proof/check-proof.ts';
import { normalizeTarget } from '../proof/http-target.ts';
import type { RefusalReason, Scheme } from './refusal.ts';
import { createUsedProofs } from './used-proofs.ts';
import type { VerifiedAccessToken } from './verified-access-token.ts';

/** The request that a proof must be for, as it arrived. */
export type ProvenRequest = {
  readonly method: string;
  /** Path and query, as the request line has them. */
  readonly target: string;
  /** The value of each `DPoP` header. */
  readonly proofs: readonly string[];
};

/** A verified token and how it came. */
export type Use = {
  readonly scheme: Scheme;
  /** The token as it was sent: a proof names its hash. */
  readonly sent: string;
  readonly token: VerifiedAccessToken;
  readonly request: ProvenRequest | undefined;
};

/** A router takes the path as it came, and the comparison resolves it: `/a/%2e%2e/b` is another resource to each. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?=\/|$)/i;
/** A request target has no fragment either (RFC 9112 section 3.2), though Node lets one in. */
const isPlainPath = (target: string): boolean =>
  target.startsWith('/') && !target.includes('#') && !DOT_SEGMENT.test(target.split('?', 1)[0] ?? '');

export type CheckUse = (use: Use) => RefusalReason | null;

/** `url`: the API's public base URL; null: it takes no proofs. `now`: milliseconds. Throws if `url` is no http address. */
export const createUseCheck = ({ url, now }: { url: string | null; now: () => number }): CheckUse => {
  if (url !== null && (normalizeTarget(url) === null || /[?#]|\/$/.test(url)))
    throw new Error('url must be the public base URL of this API, without a trailing slash');
  const checkProof = createProofCheck();
  const take = createUsedProofs(now() / 1000);

  return ({ scheme, sent, token, request }) => {
    if (scheme === 'Bearer') return token.proofKey === null ? null : 'key_bound';
    if (token.proofKey === null) return 'not_key_bound';
    if (request === undefined || request.proofs.length === 0) return 'proof_missing';
    if (!isPlainPath(request.target)) return 'proof_target';
    const seconds = now() / 1000;
    const checked = checkProof(request.proofs, {
      method: request.method,
      target: `${url}${request.target}`,
      now: seconds,
    });
    if ('reason' in checked) return checked.reason;
    const { proof } = checked;
    if (proof.accessTokenHash !== createHash('sha256').update(sent).digest('base64url')) return 'proof_token';
    if (proof.thumbprint !== token.proofKey) return 'other_key';
    return take(proof, { agent: token.agent, now: seconds });
  };
};
