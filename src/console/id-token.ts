/**
 * What an ID token must say before anybody is signed in by it. It came over TLS from the authority itself (OpenID
 * Connect Core section 3.1.3.7), so its claims are checked, not its signature: tenant, audience and nonce above all.
 */
import { z } from 'zod';
import { readAgentFacets } from '../identity/agent-facets.ts';
import type { SignInReason } from '../reasons/console.ts';
import { displayName } from '../registry/display-text.ts';
import type { Person } from './sessions.ts';

/** Which check failed. */
export type IdTokenReason = Extract<SignInReason, `id_token_${string}`>;

const guid = z
  .string()
  .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)
  .toLowerCase()
  .refine((value) => !/^[0-]+$/.test(value));

/** Longest name or username that is kept; Entra's own limits are 256 and 113. */
const NAME_MAX_LENGTH = 256;

/** A label and nothing more: what could turn a page around is left out. */
const personName = z.string().max(NAME_MAX_LENGTH).transform(displayName);

const claims = z.object({
  ver: z.literal('2.0'),
  iss: z.string(),
  aud: z.string(),
  tid: guid,
  oid: guid,
  nonce: z.string(),
  exp: z.number(),
  name: personName.optional(),
  preferred_username: personName.optional(),
  auth_time: z.int().min(0).optional(),
  acrs: z.union([z.string(), z.array(z.string())]).optional(),
  idtyp: z.string().optional(),
  xms_act_fct: z.unknown().optional(),
  xms_sub_fct: z.unknown().optional(),
  roles: z.array(z.string().min(1)).default([]),
});

export type ExpectedIdToken = {
  /** `iss` of the configured tenant, compared as an exact string. */
  readonly issuer: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly nonce: string;
  readonly now: Date;
};

/** Facets of Entra's that no person has: an agent identity, an agent's user account. */
const AGENT_FACETS = [11, 13];

/** Deciding is for people: what Entra calls an app or an agent's user does not sign in, whatever its roles. */
const isPerson = ({ idtyp, xms_act_fct, xms_sub_fct }: z.output<typeof claims>): boolean => {
  const facets = readAgentFacets(xms_act_fct, xms_sub_fct);
  const isAgent = [...(facets?.actor ?? []), ...(facets?.subject ?? [])].some((facet) =>
    AGENT_FACETS.includes(facet),
  );
  return (idtyp === undefined || idtyp === 'user') && !isAgent;
};

/** A clock ahead of ours by more than this says nothing of how long ago something was, seconds. */
const CLOCK_TOLERANCE_SECONDS = 300;

const authenticatedAt = ({ auth_time: time }: z.output<typeof claims>, now: Date): Date | null =>
  time === undefined || time > now.getTime() / 1000 + CLOCK_TOLERANCE_SECONDS ? null : new Date(time * 1000);

/** The person that the claims name, or why they name nobody. */
export const checkIdToken = (
  token: unknown,
  expected: ExpectedIdToken,
): { readonly person: Person } | { readonly reason: IdTokenReason } => {
  const { success, data } = claims.safeParse(token);
  if (!success) return { reason: 'id_token_claims' };
  if (data.iss !== expected.issuer) return { reason: 'id_token_issuer' };
  if (data.tid !== expected.tenantId) return { reason: 'id_token_tenant' };
  if (data.aud !== expected.clientId) return { reason: 'id_token_audience' };
  if (data.nonce !== expected.nonce) return { reason: 'id_token_nonce' };
  if (data.exp * 1000 <= expected.now.getTime()) return { reason: 'id_token_expired' };
  if (!isPerson(data)) return { reason: 'id_token_not_a_person' };
  const username = data.preferred_username || data.oid;
  return {
    person: {
      tenant: data.tid,
      object: data.oid,
      name: data.name || username,
      username,
      roles: [...new Set(data.roles)].sort(),
      authenticatedAt: authenticatedAt(data, expected.now),
      authenticationContexts: [data.acrs ?? []].flat(),
    },
  };
};
