/**
 * Why an assertion is not believed. For the trail and the operator: outside, every one of them is the same
 * `invalid_request` at `/token` (RFC 8693 section 2.2.2), and the same `invalid_token` elsewhere (RFC 6750).
 */
import type { Explanation } from './explanation.ts';

const NOT_ENTRA = 'Entra makes no such token: a wrong token was sent, or somebody tries.';
const ALTERED = 'Entra makes no such token: it was altered or made by somebody else. Look at the network.';
const CLAIM = 'Entra always sends it: if this is a real token, compare it with the registration in Entra.';

export const ASSERTION_REASONS = {
  size: { meaning: 'Longer than any assertion of Entra’s.', advice: NOT_ENTRA },
  format: {
    meaning: 'Not three parts, not JSON objects, or a nested or compressed token.',
    advice: NOT_ENTRA,
  },
  encoding: {
    meaning: 'Not canonical base64url, or not UTF-8: the same token must not exist in two spellings.',
    advice: ALTERED,
  },
  dup: { meaning: 'A name occurs twice in the header or in the claims.', advice: ALTERED },
  type: {
    meaning: 'Not an access token: another kind of token, or an ID token.',
    advice: 'The agent must send the access token that it got for Countersign’s application.',
  },
  alg: { meaning: 'Signed with anything but RS256.', advice: ALTERED },
  crit: { meaning: 'Demands extensions that nobody here understands (crit, b64).', advice: ALTERED },
  header: { meaning: 'The header brings or points to its own key.', advice: ALTERED },
  kid: {
    meaning: 'The key’s id is missing, malformed, or not published by the issuer.',
    advice: 'Many at once after a change of keys at Entra: can the broker reach Entra’s key address?',
  },
  key_issuer: {
    meaning: 'The key is published for another issuer than the token’s.',
    advice: ALTERED,
  },
  signature: { meaning: 'The signature is not the issuer’s.', advice: ALTERED },
  issuer: {
    meaning: 'The issuer is none of the configured tenants, or does not go with the token’s version.',
    advice:
      'A workload of another tenant or cloud, or v1 tokens where only v2 is configured: compare COUNTERSIGN_ENTRA.',
  },
  aud: {
    meaning: 'The token is for another application than Countersign’s.',
    advice: 'The agent must ask Entra for the scope <App ID URI>/.default of Countersign’s application.',
  },
  exp: {
    meaning: 'Expired, or without a well-formed end.',
    advice: 'The agent keeps its token too long, or its clock is wrong.',
  },
  time: {
    meaning: 'From the future, without well-formed times, or issued too long ago.',
    advice: 'Compare the clocks of the broker’s machine and of Entra first.',
  },
  lifetime: { meaning: 'Made to live longer than any token of Entra’s.', advice: ALTERED },
  tid: { meaning: 'The tenant’s id is missing, malformed or not the issuer’s.', advice: CLAIM },
  oid: {
    meaning: 'The object id is missing or malformed.',
    advice: 'The application may have no service principal in this tenant: create it there.',
  },
  sub: {
    meaning: 'The subject is missing, malformed or not what it must be beside the object id.',
    advice: CLAIM,
  },
  uti: { meaning: 'The token’s own id is missing or malformed.', advice: CLAIM },
  client: {
    meaning: 'The application’s id is malformed, missing, or said twice and differently.',
    advice: CLAIM,
  },
  credential: {
    meaning: 'It is missing or unknown how the workload proved itself to Entra.',
    advice: CLAIM,
  },
  not_app: {
    meaning: 'A person’s token, not an application’s own.',
    advice:
      'Agents sign in as themselves (client credentials). Without the claim idtyp, see allow_missing_idtyp.',
  },
  roles: {
    meaning: 'The app roles are malformed, or a required one is missing.',
    advice: 'Assign the roles that required_roles names to the workload in Entra, and grant admin consent.',
  },
} as const satisfies Record<string, Explanation>;

export type AssertionReason = keyof typeof ASSERTION_REASONS;
