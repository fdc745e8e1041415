import type { AgentFacets } from './agent-facets.ts';

/** What a verified Entra assertion says of the workload that presented it. Nothing else is known of an agent. */
export type VerifiedWorkload = {
  /** `tid`: the Entra tenant, lower-case GUID. */
  readonly tenantId: string;
  /** `oid`: the object id of the workload's service principal, lower-case GUID. */
  readonly objectId: string;
  /** `azp` (v2) or `appid` (v1): the application id, lower-case GUID. */
  readonly applicationId: string;
  /** `uti`: Entra's unique id of this assertion. */
  readonly assertionId: string;
  /**
   * `azpacr`/`appidacr`: how the workload proved itself to Entra. `certificate` is every signed proof: Entra sends the
   * same value for a certificate, a federated credential, a managed identity and an agent identity.
   */
  readonly credential: 'none' | 'secret' | 'certificate';
  /** `ver`: which Entra token version this was. */
  readonly version: '1.0' | '2.0';
  /** Its tenant's entry lets an assertion have one request open at a time (`replay: strict`). */
  readonly strictReplay: boolean;
  /** `roles`: app roles granted to the workload at our registration; empty if none. */
  readonly roles: readonly string[];
  /** `iat` and `exp`, seconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** `xms_par_app_azp` where Entra sent it: a label for people, never a ground of a decision. */
  readonly parentApplicationId: string | null;
  /** `xms_act_fct` and `xms_sub_fct` where Entra sent them: labels, too. */
  readonly facets: AgentFacets | null;
  /** `act` and `may_act` where the assertion has them: told, never followed (RFC 8693 sections 4.1 and 4.4). */
  readonly actorClaims: readonly string[];
  /** SHA-256 of the assertion as presented (it is canonical by then), hex: names it in the audit trail. */
  readonly digest: string;
};
