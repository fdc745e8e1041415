/**
 * Why a call is refused, and how RFC 6750 section 3 and RFC 9449 section 7.1 say so: one table, so that no answer is
 * made up elsewhere.
 */
import type { ProofReason } from '../proof/check-proof.ts';
import { PROOF_ALGORITHMS } from '../proof/proof-key.ts';
import type { ProofMisuse } from './used-proofs.ts';

/** What was wrong with what the caller presented. */
export type RefusalReason =
  | ProofReason
  | ProofMisuse
  | 'no_token'
  | 'malformed_header'
  | 'malformed_token'
  | 'algorithm'
  | 'unknown_key'
  | 'signature'
  | 'type'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'claims'
  | 'revoked'
  | 'caller_not_allowed'
  | 'key_bound'
  | 'not_key_bound'
  | 'other_key'
  | 'proof_missing'
  | 'proof_token'
  | 'insufficient_scope';

/** A call that must not go through, ready to be answered. */
export type Refusal = {
  readonly reason: RefusalReason;
  readonly status: 400 | 401 | 403 | 429;
  /** RFC 6750 section 3.1, RFC 9449 section 7.1; null when no token was sent at all, where no code belongs. */
  readonly error:
    | 'invalid_request'
    | 'invalid_token'
    | 'invalid_dpop_proof'
    | 'insufficient_scope'
    | 'access_denied'
    | 'slow_down'
    | null;
  /** ASCII, safe to show to the caller. */
  readonly description: string;
  /** Value of the `WWW-Authenticate` header. */
  readonly challenge: string;
  /** The token's `jti` where the token is the issuer's and meant for this API: such a use can be reported. */
  readonly tokenId: string | null;
};

type Answer = Pick<Refusal, 'status' | 'error' | 'description'>;

const invalidToken = (description: string): Answer => ({ status: 401, error: 'invalid_token', description });

const invalidProof = (description: string): Answer => ({
  status: 401,
  error: 'invalid_dpop_proof',
  description,
});

const NOT_A_TOKEN = 'not a valid access token of this issuer';

const ANSWERS: Readonly<Record<RefusalReason, Answer>> = {
  no_token: { status: 401, error: null, description: 'an access token is required' },
  malformed_header: {
    status: 400,
    error: 'invalid_request',
    description: 'send one Authorization header, with a scheme and one token',
  },
  malformed_token: invalidToken(NOT_A_TOKEN),
  algorithm: invalidToken(NOT_A_TOKEN),
  unknown_key: invalidToken(NOT_A_TOKEN),
  signature: invalidToken(NOT_A_TOKEN),
  type: invalidToken('not an access token'),
  issuer: invalidToken(NOT_A_TOKEN),
  audience: invalidToken('the token is for another API'),
  expired: invalidToken('the token is expired'),
  claims: invalidToken(NOT_A_TOKEN),
  revoked: invalidToken('the token was revoked'),
  // No scope would help, so it is not insufficient_scope.
  caller_not_allowed: {
    status: 403,
    error: 'access_denied',
    description: 'this agent is not one that may call',
  },
  key_bound: invalidToken('the token is bound to a key and cannot be used as a bearer token'),
  not_key_bound: invalidToken('the token is bound to no key: send it as a bearer token'),
  other_key: invalidToken('the token is bound to another key'),
  proof_missing: invalidProof('send one DPoP header with a proof for this request'),
  proof_malformed: invalidProof('send one DPoP header with one well-formed proof'),
  proof_type: invalidProof('the proof must be of type dpop+jwt'),
  proof_algorithm: invalidProof(`the proof must be signed with one of ${PROOF_ALGORITHMS.join(', ')}`),
  proof_key: invalidProof('the proof must embed a sound public key that fits its algorithm'),
  proof_signature: invalidProof('the proof is not signed by the key that it embeds'),
  proof_method: invalidProof('htm is not the method of this request'),
  proof_target: invalidProof('htu is not the address of this request'),
  proof_time: invalidProof('the proof must be made just before it is sent'),
  proof_token: invalidProof('ath is not the hash of the access token'),
  proof_replayed: invalidProof('the proof was used before, or is too old to tell'),
  too_many_proofs: {
    status: 429,
    error: 'slow_down',
    description: 'too many proofs were used within a minute: wait, then send a new one',
  },
  insufficient_scope: {
    status: 403,
    error: 'insufficient_scope',
    description: 'the token does not allow this action',
  },
};

/** `realm` and `scope` come from configuration, never from the caller; quotes would still break the header. */
const quoted = (name: string, value: string): string => `${name}="${value.replace(/["\\]/g, '')}"`;

/** What a challenge is about, and what the API accepts. */
export type Challenged = {
  /** The API's audience. */
  readonly realm: string;
  readonly scope: string;
  readonly tokenId: string | null;
  /** The scheme that was used; `Bearer` if none. */
  readonly scheme: Scheme;
  /** Whether the API takes tokens that are bound to a key. */
  readonly acceptsProofs: boolean;
  /** Address of the API's metadata (RFC 9728 section 5.1), if it publishes any. */
  readonly resourceMetadata?: string | undefined;
};

export type Scheme = 'Bearer' | 'DPoP';

/** The challenge of the scheme that was used, with what was wrong, then that of the other one. */
const challengeOf = (reason: RefusalReason, challenged: Challenged): string => {
  const { realm, scope, scheme, acceptsProofs, resourceMetadata } = challenged;
  const answer = ANSWERS[reason];
  const wrong =
    answer.error === null
      ? []
      : [quoted('error', answer.error), quoted('error_description', answer.description)];
  if (reason === 'insufficient_scope') wrong.push(quoted('scope', scope));
  const schemes: Scheme[] = acceptsProofs ? ['Bearer', 'DPoP'] : ['Bearer'];
  return schemes
    .toSorted((a, b) => Number(b === scheme) - Number(a === scheme))
    .map((each) => {
      const parameters = [quoted('realm', realm), ...(each === scheme ? wrong : [])];
      if (each === 'DPoP') parameters.push(quoted('algs', PROOF_ALGORITHMS.join(' ')));
      if (resourceMetadata !== undefined) parameters.push(quoted('resource_metadata', resourceMetadata));
      return `${each} ${parameters.join(', ')}`;
    })
    .join(', ');
};

/** Renders a reason as an answer. */
export const refuse = (reason: RefusalReason, challenged: Challenged): Refusal => ({
  reason,
  ...ANSWERS[reason],
  challenge: challengeOf(reason, challenged),
  tokenId: challenged.tokenId,
});
