/**
 * A stand-in for a Kubernetes cluster with workload identity (as AKS has it): an OIDC issuer that signs the service
 * account token projected into a pod. Entra trusts it for one subject per agent, and the pod needs no secret.
 */
import { randomUUID } from 'node:crypto';
import { serviceAccountOf } from '../world.ts';
import { signToken } from './jws.ts';
import type { SigningKey } from './signing-keys.ts';

/** The `aud` that Entra demands of a federated assertion. */
export const FEDERATION_AUDIENCE = 'api://AzureADTokenExchange';

/** Kubernetes' default lifetime of a projected token, seconds. */
const SERVICE_ACCOUNT_TOKEN_SECONDS = 3600;

export type Cluster = {
  /** `iss` of its tokens; its OIDC discovery is below this URL. */
  readonly issuer: string;
  readonly key: SigningKey;
  /** Signs the service account token of this agent's pod. */
  readonly issue: (agentId: string, audience: string, now: Date) => string;
};

/** Makes a cluster whose issuer is `issuer` and whose key is `key`. */
export const createCluster = (issuer: string, key: SigningKey): Cluster => {
  const namespace = 'agents';
  return {
    issuer,
    key,
    issue: (agentId, audience, now) => {
      const issuedAt = Math.floor(now.getTime() / 1000);
      const claims = {
        aud: [audience],
        exp: issuedAt + SERVICE_ACCOUNT_TOKEN_SECONDS,
        iat: issuedAt,
        iss: issuer,
        jti: randomUUID(),
        'kubernetes.io': {
          namespace,
          pod: { name: `${agentId}-0`, uid: randomUUID() },
          serviceaccount: { name: agentId, uid: randomUUID() },
        },
        nbf: issuedAt,
        sub: serviceAccountOf(agentId),
      };
      return signToken({ kid: key.published.kid }, claims, key.privateKey);
    },
  };
};

/** The cluster's OIDC discovery document. */
export const clusterMetadata = (cluster: Cluster): Readonly<Record<string, unknown>> => ({
  issuer: cluster.issuer,
  jwks_uri: `${cluster.issuer}/openid/v1/jwks`,
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256'],
});

/** The cluster's public keys. */
export const clusterKeys = (cluster: Cluster): Readonly<Record<string, unknown>> => {
  const { kty, use, kid, n, e } = cluster.key.published;
  return { keys: [{ use, kty, kid, alg: 'RS256', n, e }] };
};
