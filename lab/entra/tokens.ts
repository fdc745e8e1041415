/**
 * The tokens of the stand-in, claim for claim as Entra makes them: v1.0 and v2.0 access tokens of workloads, and what
 * people get when they sign in. At Entra the API's registration says which version its tokens have
 * (`accessTokenAcceptedVersion`); here the endpoint that was asked says it, so that one registration shows both.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { WorldPerson } from '../world.ts';
import { signToken } from './jws.ts';
import type { Application } from './registrations.ts';
import { type Tenant, v1Issuer, v2Issuer } from './tenant.ts';

/** `azpacr` and `appidacr`: a shared secret, or a signed assertion (certificate and federation alike). */
export type ProofOfClient = '1' | '2';

/** Entra dates tokens back by five minutes for the sake of late clocks ... */
const BACKDATED_SECONDS = 300;
/** ... and lets them live an hour from now. */
const LIFETIME_SECONDS = 3600;
/** What the answer calls `expires_in`: a second less than the token has. */
export const EXPIRES_IN_SECONDS = LIFETIME_SECONDS - 1;

/** Microsoft Graph's well-known id: whom a plain sign-in's access token is for. */
const GRAPH = '00000003-0000-0000-c000-000000000000';

type Claims = Readonly<Record<string, unknown>>;

const opaque = (bytes: number): string => randomBytes(bytes).toString('base64url');

const validity = (now: Date): { iat: number; nbf: number; exp: number } => {
  const seconds = Math.floor(now.getTime() / 1000);
  const issuedAt = seconds - BACKDATED_SECONDS;
  return { iat: issuedAt, nbf: issuedAt, exp: seconds + LIFETIME_SECONDS };
};

/** Claims that Entra keeps to itself; a verifier must get along with them and may conclude nothing from them. */
const internalClaims = (): Claims => ({ aio: opaque(48), rh: `1.${opaque(60)}.` });
/** Entra leaves the claim out rather than sending an empty list. */
const rolesClaim = (roles: readonly string[]): Claims => (roles.length > 0 ? { roles } : {});

const workloadClaims = (tenant: Tenant, application: Application): Claims => ({
  idtyp: 'app',
  oid: application.objectId,
  ...rolesClaim(application.roles),
  sub: application.objectId,
  tid: tenant.id,
  uti: opaque(16),
});

/** A v2.0 access token of a workload for the broker's registration; `aud` is always the registration's GUID. */
export const issueV2Token = (
  tenant: Tenant,
  application: Application,
  proof: ProofOfClient,
  now: Date,
): string => {
  const { kid } = tenant.keys.current().published;
  const claims = {
    aud: tenant.world.broker.clientId,
    iss: v2Issuer(tenant),
    ...validity(now),
    ...internalClaims(),
    azp: application.clientId,
    azpacr: proof,
    ...workloadClaims(tenant, application),
    ver: '2.0',
    xms_ftd: opaque(48),
  };
  return signToken({ typ: 'JWT', kid }, claims, tenant.keys.current().privateKey);
};

/** A v1.0 access token of a workload; `aud` is the resource as it was asked for, App-ID URI or GUID. */
export const issueV1Token = (
  tenant: Tenant,
  application: Application,
  { proof, audience, now }: { readonly proof: ProofOfClient; readonly audience: string; readonly now: Date },
): string => {
  const { kid, x5t } = tenant.keys.current().published;
  const claims = {
    aud: audience,
    iss: v1Issuer(tenant),
    ...validity(now),
    ...internalClaims(),
    appid: application.clientId,
    appidacr: proof,
    idp: v1Issuer(tenant),
    ...workloadClaims(tenant, application),
    ver: '1.0',
    xms_ftd: opaque(48),
  };
  return signToken({ typ: 'JWT', x5t, kid }, claims, tenant.keys.current().privateKey);
};

/** `sub` of a person is pairwise: another one for each application. */
const pairwiseSubject = (person: WorldPerson, clientId: string): string =>
  createHash('sha256').update(`${person.objectId} ${clientId}`).digest('base64url');

/** What a person's sign-in gives the application: the ID token, and an access token for Microsoft Graph. */
export const issueSignIn = (
  tenant: Tenant,
  signIn: {
    readonly person: WorldPerson;
    readonly application: Application;
    readonly authTime: Date;
    readonly contexts: readonly string[];
    readonly nonce: string | undefined;
    readonly scope: string;
  },
  now: Date,
): { readonly idToken: string; readonly accessToken: string } => {
  const { person, application, nonce } = signIn;
  const { kid, x5t } = tenant.keys.current().published;
  const { privateKey } = tenant.keys.current();
  const identity = { name: person.displayName, oid: person.objectId, tid: tenant.id, ...validity(now) };
  const idToken = {
    aud: application.clientId,
    iss: v2Issuer(tenant),
    ...identity,
    ...internalClaims(),
    auth_time: Math.floor(signIn.authTime.getTime() / 1000),
    ...(signIn.contexts.length > 0 && { acrs: signIn.contexts }),
    ...(nonce === undefined ? {} : { nonce }),
    preferred_username: person.username,
    ...rolesClaim(person.roles),
    sub: pairwiseSubject(person, application.clientId),
    uti: opaque(16),
    ver: '2.0',
  };
  const accessToken = {
    aud: GRAPH,
    iss: v1Issuer(tenant),
    ...identity,
    ...internalClaims(),
    appid: application.clientId,
    idtyp: 'user',
    scp: signIn.scope,
    sub: pairwiseSubject(person, GRAPH),
    upn: person.username,
    uti: opaque(16),
    ver: '1.0',
  };
  return {
    idToken: signToken({ typ: 'JWT', kid }, idToken, privateKey),
    // Graph's tokens carry a nonce in the header that keeps anyone else from verifying them.
    accessToken: signToken({ typ: 'JWT', nonce: opaque(32), x5t, kid }, accessToken, privateKey),
  };
};
