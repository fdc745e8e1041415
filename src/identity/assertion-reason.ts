/**
 * Why an assertion is not believed. For the audit trail and the operator: outside, every one of them is the same
 * `invalid_request` (RFC 8693 section 2.2.2).
 */
export type AssertionReason =
  /** Longer than any assertion of Entra's. */
  | 'size'
  /** Not three parts, not JSON objects, or a nested or compressed token. */
  | 'format'
  /** Not canonical base64url, or not UTF-8: the same token must not exist in two spellings. */
  | 'encoding'
  /** A header or claim name that occurs twice. */
  | 'dup'
  /** Not an access token: `typ` of another kind of token, or an ID token. */
  | 'type'
  /** Signed with anything but RS256. */
  | 'alg'
  /** `crit` or `b64`: extensions nobody here understands (RFC 7515 section 4.1.11). */
  | 'crit'
  /** A header that brings or points to its own key. */
  | 'header'
  /** `kid` missing, malformed, or not published by the issuer. */
  | 'kid'
  /** The key is published for another issuer than the token's. */
  | 'key_issuer'
  | 'signature'
  /** `iss` is not exactly an issuer that we trust, or does not go with `ver`. */
  | 'issuer'
  /** `aud` is not exactly one of ours. */
  | 'aud'
  /** Expired, or `exp` missing or malformed. */
  | 'exp'
  /** `nbf` or `iat` in the future, missing or malformed, or issued too long ago. */
  | 'time'
  /** Made to live longer than any token of Entra's. */
  | 'lifetime'
  | 'tid'
  | 'oid'
  | 'sub'
  | 'uti'
  /** `azp` or `appid` malformed, missing where the version demands it, or contradicting each other. */
  | 'client'
  /** `azpacr` or `appidacr` missing or unknown. */
  | 'credential'
  /** A person's token, not an application's own. */
  | 'not_app'
  /** `roles` malformed, or a required app role missing. */
  | 'roles';
