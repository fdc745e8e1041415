/** Why the issuer, the version or the audience of a token is not what configuration lists. Pure; believes nothing it reads. */
import { CLOUDS, type IssuerTrust, isGuid, type TrustedTenant } from '../identity/trusted-tenants.ts';
import { type Finding, type Findings, shown } from './finding.ts';

type Members = Readonly<Record<string, unknown>>;

const problem = (message: string, advice: string): Finding => ({
  check: 'token',
  status: 'problem',
  message,
  advice,
});

/** Issuers of Entra, whatever the cloud: the tenant, and `v2.0` at the end in version 2.0. */
const ENTRA_ISSUER = /^(https:\/\/[^/]+)\/([0-9a-f-]{36})\/(v2\.0)?$/;
const PERSONAL = '9188040d-6c67-4c5b-b112-36a304b66dad';

const V1_TOKEN =
  "Set api.requestedAccessTokenVersion to 2 in the manifest of Countersign's registration (new tokens follow within minutes), or list version 1.0 and its audience in COUNTERSIGN_ENTRA.";
const V2_TOKEN =
  'List "2.0" in versions of this tenant in COUNTERSIGN_ENTRA, with the application id (GUID) of Countersign\'s registration in audiences.';

const otherVersion = (tenant: TrustedTenant, version: '1.0' | '2.0'): Finding | null => {
  if (tenant.issuers.some((trust) => trust.version === version)) return null;
  return version === '1.0'
    ? problem(
        'requestedAccessTokenVersion is null or 1: this is a v1.0 token, and only v2.0 is listed',
        V1_TOKEN,
      )
    : problem('requestedAccessTokenVersion is 2: this is a v2.0 token, and only v1.0 is listed', V2_TOKEN);
};

const cloudNamed = (origin: string): string | undefined =>
  Object.entries(CLOUDS).find(([, cloud]) => cloud.authority === origin || cloud.v1Issuer === origin)?.[0];

const explainStranger = (iss: unknown, tenants: readonly TrustedTenant[]): Finding => {
  const [, origin = '', tenantId = '', v2] = typeof iss === 'string' ? (ENTRA_ISSUER.exec(iss) ?? []) : [];
  if (tenantId === '')
    return problem(
      `its issuer ${shown(iss)} is no tenant of Entra`,
      'Send the token that Entra gave the agent.',
    );
  if (tenantId === PERSONAL)
    return problem('it is of a personal Microsoft account', 'Agents are applications of your own tenant.');
  const tenant = tenants.find((trusted) => trusted.tenantId === tenantId);
  if (tenant === undefined)
    return problem(
      `its tenant ${tenantId} is not listed`,
      'If its workloads shall be agents, add the tenant to COUNTERSIGN_ENTRA; else the agent signs in to a wrong tenant.',
    );
  const cloud = cloudNamed(origin);
  return (
    otherVersion(tenant, v2 === undefined ? '1.0' : '2.0') ??
    problem(
      `its issuer is ${shown(iss)}, the tenant is trusted as ${tenant.issuers.map(({ issuer }) => issuer).join(' and ')}`,
      cloud === undefined
        ? 'The issuer is of another authority than the one in COUNTERSIGN_ENTRA.'
        : `The token is of the cloud "${cloud}": compare cloud of this tenant in COUNTERSIGN_ENTRA.`,
    )
  );
};

const isNearly = (aud: string, listed: string): boolean =>
  aud.replace(/^spn:/, '').replace(/\/$/, '').toLowerCase() === listed.replace(/\/$/, '').toLowerCase();

const explainAudience = (aud: unknown, { audiences, version }: IssuerTrust): Findings => {
  if (typeof aud === 'string' && audiences.includes(aud)) return [];
  const listed = `COUNTERSIGN_ENTRA lists ${audiences.join(', ')} for version ${version}`;
  if (typeof aud !== 'string')
    return [problem(`its audience is ${shown(aud)}; ${listed}`, 'Entra sends one audience, as text.')];
  if (audiences.some((audience) => isNearly(aud, audience)))
    return [
      problem(
        `its audience ${shown(aud)} is not byte for byte what is listed; ${listed}`,
        'List the audience as the token has it: audiences are compared exactly.',
      ),
    ];
  return [
    problem(
      `its audience is ${shown(aud)}; ${listed}`,
      isGuid(aud)
        ? `If ${aud} is the application id of Countersign's registration, list it in audiences; else the agent asked for another API than <App ID URI>/.default of Countersign's.`
        : "The agent must ask for <App ID URI>/.default of Countersign's registration; if this is its App ID URI, list it in audiences (version 1.0 only).",
    ),
  ];
};

/** The tenant and issuer that would vouch for the token, if they are trusted, and what is wrong before its other claims. */
export const explainIssuer = (
  { iss, aud, ver }: Members,
  tenants: readonly TrustedTenant[],
): { readonly findings: Findings; readonly tenant: TrustedTenant | null } => {
  for (const tenant of tenants) {
    const trust = tenant.issuers.find(({ issuer }) => issuer === iss);
    if (trust === undefined) continue;
    const contradiction =
      ver === trust.version
        ? []
        : [
            problem(
              `its ver is ${shown(ver)}, its issuer is of version ${trust.version}`,
              'Entra makes no such token.',
            ),
          ];
    return { findings: [...contradiction, ...explainAudience(aud, trust)], tenant };
  }
  return { findings: [explainStranger(iss, tenants)], tenant: null };
};
