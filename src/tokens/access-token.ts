/** The RFC 9068 access token: rendered from what the database holds, so it can be rendered again, the same. */
import type { AuthorizationDetails, Environment } from '../registry/registry.ts';
import { signJws } from './sign-jws.ts';
import type { SigningKey } from './signing-key.ts';

export type AccessTokenClaims = {
  readonly issuer: string;
  /** `sub` and `client_id`: the agent's id, never an Entra identifier (RFC 9700 section 4.15). */
  readonly agentId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly jti: string;
  /** `txn`: the access request. */
  readonly requestId: string;
  readonly environment: Environment;
  readonly authorizationDetails: AuthorizationDetails;
  /** `cnf.jkt` (RFC 9449 section 6.1): the one key that may use the token, null if any bearer may. */
  readonly proofKey: string | null;
};

const seconds = (time: Date): number => Math.floor(time.getTime() / 1000);

/** What the access token says (RFC 9068 section 2.2). */
export const accessTokenPayload = (claims: AccessTokenClaims): Readonly<Record<string, unknown>> => ({
  iss: claims.issuer,
  sub: claims.agentId,
  client_id: claims.agentId,
  aud: claims.audience,
  scope: claims.scopes.join(' '),
  iat: seconds(claims.issuedAt),
  exp: seconds(claims.expiresAt),
  jti: claims.jti,
  txn: claims.requestId,
  env: claims.environment,
  ...(claims.authorizationDetails.length > 0 && { authorization_details: claims.authorizationDetails }),
  ...(claims.proofKey !== null && { cnf: { jkt: claims.proofKey } }),
});

/** `typ` of an access token (RFC 9068 section 2.1). */
export const ACCESS_TOKEN_TYPE = 'at+jwt';

/** Signs the access token as a compact JWS. */
export const signAccessToken = (key: SigningKey, claims: AccessTokenClaims): string =>
  signJws(key, ACCESS_TOKEN_TYPE, accessTokenPayload(claims));
