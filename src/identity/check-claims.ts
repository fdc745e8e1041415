/**
 * What the claims of a verified assertion must say for it to name a workload: of this tenant, for us, an
 * application's own token, short-lived. Signature, issuer, audience and the present moment are checked before; the
 * shapes are not. Pure; reads a null-prototype copy of known claims only.
 */
import type { AssertionReason } from '../reasons/assertion.ts';
import { readAgentFacets } from './agent-facets.ts';
import type { IssuerTrust, TrustedTenant } from './trusted-tenants.ts';
import { isGuid } from './trusted-tenants.ts';
import type { VerifiedWorkload } from './verified-workload.ts';

/** Managed identities get 24 hours and Entra dates tokens five minutes back; nothing lives longer. */
const LIFETIME_MAX_SECONDS = 25 * 3_600;

const KNOWN_CLAIMS = [
  'ver',
  'tid',
  'oid',
  'sub',
  'uti',
  'exp',
  'iat',
  'nbf',
  'azp',
  'azpacr',
  'appid',
  'appidacr',
  'idtyp',
  'scp',
  'upn',
  'name',
  'roles',
  'xms_par_app_azp',
  'xms_act_fct',
  'xms_sub_fct',
] as const;

type Claims = { readonly [name in (typeof KNOWN_CLAIMS)[number]]?: unknown };
type Rejection = { readonly reason: AssertionReason };

/** Who a verified assertion names; `digest` is the caller's to add. */
export type WorkloadClaims = Omit<VerifiedWorkload, 'digest'>;

const CREDENTIALS: ReadonlyMap<unknown, VerifiedWorkload['credential']> = new Map([
  ['0', 'none'],
  ['1', 'secret'],
  ['2', 'certificate'],
]);

const ASSERTION_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** What Entra allows as the value of an app role. */
const APP_ROLE = /^[\x21-\x7e]{1,120}$/;

const copyKnown = (payload: Readonly<Record<string, unknown>>): Claims => {
  const copy: Record<string, unknown> = Object.create(null);
  for (const name of KNOWN_CLAIMS) if (Object.hasOwn(payload, name)) copy[name] = payload[name];
  return copy;
};

/** Only that they are there: what they say about others is not ours to read. */
const ACTOR_CLAIMS = ['act', 'may_act'];

const isSeconds = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const readTimes = ({ exp, iat, nbf }: Claims): { issuedAt: number; expiresAt: number } | Rejection => {
  if (!isSeconds(exp)) return { reason: 'exp' };
  if (!isSeconds(iat) || !isSeconds(nbf)) return { reason: 'time' };
  if (exp <= iat || exp - iat > LIFETIME_MAX_SECONDS) return { reason: 'lifetime' };
  return { issuedAt: iat, expiresAt: exp };
};

/** `azp`/`azpacr` of version 2.0 are `appid`/`appidacr` of 1.0; one that comes on top must say the same. */
const readClient = (
  { azp, azpacr, appid, appidacr }: Claims,
  { version }: IssuerTrust,
): Pick<VerifiedWorkload, 'applicationId' | 'credential'> | Rejection => {
  if (azp === undefined && appid === undefined) return { reason: 'type' };
  const [client, other, method] = version === '2.0' ? [azp, appid, azpacr] : [appid, azp, appidacr];
  if (!isGuid(client) || (other !== undefined && other !== client)) return { reason: 'client' };
  const credential = CREDENTIALS.get(method);
  return credential ? { applicationId: client, credential } : { reason: 'credential' };
};

/** Without `idtyp`, which the registration must ask for, Entra's app-only tokens are told by `sub` = `oid`. */
const isAppOnly = ({ idtyp, scp, upn, name, sub, oid }: Claims, tenant: TrustedTenant): boolean => {
  if (scp !== undefined) return false;
  if (idtyp !== undefined) return idtyp === 'app';
  return tenant.allowMissingIdtyp && upn === undefined && name === undefined && sub === oid;
};

const readRoles = ({ roles = [] }: Claims, tenant: TrustedTenant): { roles: string[] } | Rejection => {
  const isRole = (role: unknown): role is string => typeof role === 'string' && APP_ROLE.test(role);
  if (!Array.isArray(roles) || !roles.every(isRole)) return { reason: 'roles' };
  return tenant.requiredRoles.every((role) => roles.includes(role)) ? { roles } : { reason: 'roles' };
};

/** The workload that a verified payload names, or the first reason for which it names none. */
export const checkClaims = (
  payload: Readonly<Record<string, unknown>>,
  tenant: TrustedTenant,
  issuer: IssuerTrust,
): { claims: WorkloadClaims } | Rejection => {
  const known = copyKnown(payload);
  const { ver, tid, oid, sub, uti } = known;
  if (ver !== issuer.version) return { reason: 'issuer' };
  if (tid !== tenant.tenantId) return { reason: 'tid' };
  const times = readTimes(known);
  if ('reason' in times) return times;
  const client = readClient(known, issuer);
  if ('reason' in client) return client;
  if (!isGuid(oid)) return { reason: 'oid' };
  if (!isText(sub)) return { reason: 'sub' };
  if (!isAppOnly(known, tenant)) return { reason: 'not_app' };
  if (typeof uti !== 'string' || !ASSERTION_ID.test(uti)) return { reason: 'uti' };
  const held = readRoles(known, tenant);
  if ('reason' in held) return held;
  const parent = known.xms_par_app_azp;
  return {
    claims: {
      tenantId: tid,
      objectId: oid,
      ...client,
      assertionId: uti,
      version: issuer.version,
      strictReplay: tenant.strictReplay,
      ...held,
      ...times,
      parentApplicationId: isGuid(parent) ? parent : null,
      facets: readAgentFacets(known.xms_act_fct, known.xms_sub_fct),
      actorClaims: ACTOR_CLAIMS.filter((name) => Object.hasOwn(payload, name)),
    },
  };
};
