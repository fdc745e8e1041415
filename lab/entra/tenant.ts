/** What every endpoint of the stand-in needs to know: the tenant, its keys, and who is registered. */
import type { World } from '../world.ts';
import type { Cluster } from './cluster.ts';
import type { Registrations } from './registrations.ts';
import type { SigningKeys } from './signing-keys.ts';

export type Tenant = {
  /** The tenant's id, lower-case GUID. */
  readonly id: string;
  /** Base URL of the stand-in, without a trailing slash. */
  readonly authority: string;
  readonly world: World;
  readonly registrations: Registrations;
  readonly keys: SigningKeys;
  readonly cluster: Cluster;
};

/** `iss` of v2.0 tokens. */
export const v2Issuer = (tenant: Tenant): string => `${tenant.authority}/${tenant.id}/v2.0`;
/** `iss` of v1.0 tokens; Entra's ends with a slash. */
export const v1Issuer = (tenant: Tenant): string => `${tenant.authority}/${tenant.id}/`;
