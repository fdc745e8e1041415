/** Why a call is refused, and how RFC 6750 section 3 says so: one table, so that no answer is made up elsewhere. */

/** What was wrong with what the caller presented. */
export type RefusalReason =
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
  | 'key_bound'
  | 'insufficient_scope';

/** A call that must not go through, ready to be answered. */
export type Refusal = {
  readonly reason: RefusalReason;
  readonly status: 400 | 401 | 403;
  /** RFC 6750 section 3.1; null when no token was sent at all, where no code belongs. */
  readonly error: 'invalid_request' | 'invalid_token' | 'insufficient_scope' | null;
  /** ASCII, safe to show to the caller. */
  readonly description: string;
  /** Value of the `WWW-Authenticate` header. */
  readonly challenge: string;
  /** The token's `jti` where the token is the issuer's and meant for this API: such a use can be reported. */
  readonly tokenId: string | null;
};

type Answer = Pick<Refusal, 'status' | 'error' | 'description'>;

const invalidToken = (description: string): Answer => ({ status: 401, error: 'invalid_token', description });

const NOT_A_TOKEN = 'not a valid access token of this issuer';

const ANSWERS: Readonly<Record<RefusalReason, Answer>> = {
  no_token: { status: 401, error: null, description: 'an access token is required' },
  malformed_header: {
    status: 400,
    error: 'invalid_request',
    description: 'the Authorization header must be "Bearer" and one token',
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
  key_bound: invalidToken('the token is bound to a key and cannot be used as a bearer token'),
  insufficient_scope: {
    status: 403,
    error: 'insufficient_scope',
    description: 'the token does not allow this action',
  },
};

/** `realm` and `scope` come from configuration, never from the caller; quotes would still break the header. */
const quoted = (name: string, value: string): string => `${name}="${value.replace(/["\\]/g, '')}"`;

/** Renders a reason as the answer of RFC 6750 section 3. `realm` is the API's audience. */
export const refuse = (
  reason: RefusalReason,
  { realm, scope, tokenId }: { realm: string; scope: string; tokenId: string | null },
): Refusal => {
  const answer = ANSWERS[reason];
  const parameters = [quoted('realm', realm)];
  if (answer.error !== null) {
    parameters.push(quoted('error', answer.error), quoted('error_description', answer.description));
  }
  if (reason === 'insufficient_scope') parameters.push(quoted('scope', scope));
  return { reason, ...answer, challenge: `Bearer ${parameters.join(', ')}`, tokenId };
};
