/**
 * Every reason for which an exchange is refused, and what the client may learn of it. One table: the trail keeps the
 * reason, the wire gets the error and the description. Whatever concerns the assertion or an unknown workload looks
 * the same from outside (RFC 8693 section 2.2.2).
 */

/** Error codes of RFC 6749 section 5.2, RFC 8628 section 3.5, RFC 8707 section 2, RFC 9396 section 5 and RFC 9449. */
export type OAuthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_target'
  | 'invalid_scope'
  | 'invalid_authorization_details'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'access_denied'
  | 'expired_token';

type Meaning = { readonly error: OAuthError; readonly description: string };

const ASSERTION: Meaning = {
  error: 'invalid_request',
  description: 'the subject_token is not acceptable: send a current assertion of a registered workload',
};

const REASONS = {
  client_authentication: {
    error: 'invalid_client',
    description:
      'agents have no client secret: leave client authentication out, the subject_token says who asks',
  },
  client_id_conflict: {
    error: 'invalid_request',
    description: 'client_id in the form and in the Authorization header differ',
  },
  client_id_mismatch: {
    error: 'invalid_request',
    description: 'client_id is not the id of the agent that the subject_token belongs to; it may be left out',
  },
  subject_token_missing: { error: 'invalid_request', description: 'subject_token is missing' },
  subject_token_type: {
    error: 'invalid_request',
    description: 'subject_token_type must be urn:ietf:params:oauth:token-type:jwt',
  },
  requested_token_type: {
    error: 'invalid_request',
    description:
      'requested_token_type must be urn:ietf:params:oauth:token-type:access_token or :jwt, or absent',
  },
  actor_token: { error: 'invalid_request', description: 'actor_token is not supported' },
  target_missing: {
    error: 'invalid_request',
    description: 'name the API in audience or in resource',
  },
  target_ambiguous: { error: 'invalid_target', description: 'name exactly one API in audience or resource' },
  target_malformed: {
    error: 'invalid_target',
    description: 'resource must be an absolute URI without fragment',
  },
  target_unknown: { error: 'invalid_target', description: 'this API is unknown or not open to this agent' },
  target_environment: {
    error: 'invalid_target',
    description: 'this API is unknown or not open to this agent',
  },
  scope_malformed: {
    error: 'invalid_scope',
    description: 'scope must be space-separated actions of the API',
  },
  scope_missing: {
    error: 'invalid_scope',
    description: 'name the actions in scope: this API has no default',
  },
  scope_unknown: {
    error: 'invalid_scope',
    description: 'a scope is unknown to this API or not open to this agent',
  },
  request_id_unknown: {
    error: 'invalid_request',
    description:
      'request_id is malformed: 1 to 128 of A-Z a-z 0-9 . _ ~ -, and areq_ only as an answer gave it',
  },
  request_id_reused: {
    error: 'invalid_request',
    description:
      'request_id was used with other parameters or another proof key: choose a new one for another request',
  },
  token_missing: { error: 'invalid_request', description: 'token is missing' },
  token_foreign: { error: 'invalid_request', description: 'token is not one of this agent' },
  justification_too_long: {
    error: 'invalid_request',
    description: 'justification may have at most 2000 characters',
  },
  requested_expires_in: {
    error: 'invalid_request',
    description: 'requested_expires_in must be a positive number of seconds',
  },
  authorization_details: {
    error: 'invalid_authorization_details',
    description: 'authorization_details must be a JSON array of objects of types that the API registers',
  },
  proof_malformed: {
    error: 'invalid_dpop_proof',
    description: 'send one DPoP header with one well-formed proof',
  },
  proof_type: { error: 'invalid_dpop_proof', description: 'the proof must be of type dpop+jwt' },
  proof_algorithm: {
    error: 'invalid_dpop_proof',
    description: 'the proof must be signed by an algorithm of dpop_signing_alg_values_supported',
  },
  proof_key: {
    error: 'invalid_dpop_proof',
    description: 'the proof must embed a sound public key that fits its algorithm',
  },
  proof_signature: {
    error: 'invalid_dpop_proof',
    description: 'the proof is not signed by the key that it embeds',
  },
  proof_method: { error: 'invalid_dpop_proof', description: 'htm must be POST' },
  proof_target: {
    error: 'invalid_dpop_proof',
    description: 'htu must be the token_endpoint of the metadata',
  },
  proof_time: {
    error: 'invalid_dpop_proof',
    description: 'iat must be the time of this request: make a proof for each, and check the clock',
  },
  proof_replayed: {
    error: 'invalid_dpop_proof',
    description: 'the proof was used before: make a new one for each request',
  },
  proof_nonce: {
    error: 'use_dpop_nonce',
    description: 'the proof must carry the nonce of the DPoP-Nonce header',
  },
  proof_required: {
    error: 'invalid_dpop_proof',
    description: 'this action needs a proof key: send a DPoP proof, of the same key at each repeat',
  },
  assertion_rejected: ASSERTION,
  agent_unknown: ASSERTION,
  replay: {
    error: 'invalid_request',
    description:
      'the subject_token has another request open: repeat that one, or get a new token from Entra for this one',
  },
  assertion_superseded: {
    error: 'invalid_request',
    description: 'the subject_token was taken back: get a new one from Entra',
  },
  blocked: { error: 'access_denied', description: 'this is closed for now' },
  agent_disabled: { error: 'access_denied', description: 'this agent is disabled' },
  denied_by_policy: { error: 'access_denied', description: 'policy does not allow this' },
  denied_by_approver: { error: 'access_denied', description: 'an approver said no' },
  approval_void: {
    error: 'access_denied',
    description: 'too few of those who approved may still decide for this agent: ask anew',
  },
  grant_revoked: { error: 'access_denied', description: 'the grant was revoked' },
  request_expired: { error: 'expired_token', description: 'nobody approved in time' },
  request_cancelled: { error: 'expired_token', description: 'the request was cancelled' },
  approval_lapsed: { error: 'expired_token', description: 'the approval was not picked up in time' },
  grant_over: { error: 'expired_token', description: 'the approved grant is over' },
} as const satisfies Record<string, Meaning>;

export type Reason = keyof typeof REASONS;

/** What the client is told of a reason. */
export const meaningOf = (reason: Reason): Meaning => REASONS[reason];
