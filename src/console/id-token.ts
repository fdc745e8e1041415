/**
 * What an ID token must say before anybody is signed in by it. It came over TLS from the authority itself (OpenID
 * Connect Core section 3.1.3.7), so its claims are checked, not its signature: tenant, audience and nonce above all.
 */
import { z } from 'zod';
import type { SignInReason } from '../reasons/console.ts';
import type { Person } from './sessions.ts';

/** Which check failed. */
export type IdTokenReason = Extract<SignInReason, `id_token_${string}`>;

const guid = z
  .string()
  .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)
  .toLowerCase();

/** Longest name or username that is kept; Entra's own limits are 256 and 113. */
const NAME_MAX_LENGTH = 256;

const claims = z.object({
  ver: z.literal('2.0'),
  iss: z.string(),
  aud: z.string(),
  tid: guid,
  oid: guid,
  nonce: z.string(),
  exp: z.number(),
  name: z.string().trim().min(1).max(NAME_MAX_LENGTH).optional(),
  preferred_username: z.string().trim().min(1).max(NAME_MAX_LENGTH).optional(),
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
  const username = data.preferred_username ?? data.oid;
  return {
    person: {
      tenant: data.tid,
      object: data.oid,
      name: data.name ?? username,
      username,
      roles: [...new Set(data.roles)].sort(),
    },
  };
};
