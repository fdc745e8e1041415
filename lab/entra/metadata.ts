/** The documents by which clients find their way: OpenID configuration for v2 and v1, and instance discovery. */
import { type Tenant, v1Issuer, v2Issuer } from './tenant.ts';

type Document = Readonly<Record<string, unknown>>;

const common = (tenant: Tenant): Document => ({
  token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
  response_modes_supported: ['query', 'form_post'],
  subject_types_supported: ['pairwise'],
  id_token_signing_alg_values_supported: ['RS256'],
  response_types_supported: ['code'],
  authorization_endpoint: `${tenant.authority}/${tenant.id}/oauth2/v2.0/authorize`,
  end_session_endpoint: `${tenant.authority}/${tenant.id}/oauth2/v2.0/logout`,
  request_uri_parameter_supported: false,
  cloud_instance_name: new URL(tenant.authority).host,
});

/** `/{tenant}/v2.0/.well-known/openid-configuration`. */
export const v2Configuration = (tenant: Tenant): Document => ({
  ...common(tenant),
  issuer: v2Issuer(tenant),
  token_endpoint: `${tenant.authority}/${tenant.id}/oauth2/v2.0/token`,
  jwks_uri: `${tenant.authority}/${tenant.id}/discovery/v2.0/keys`,
  scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
  claims_supported: [
    'sub',
    'iss',
    'aud',
    'exp',
    'iat',
    'auth_time',
    'nonce',
    'preferred_username',
    'name',
    'tid',
    'ver',
  ],
});

/** `/{tenant}/.well-known/openid-configuration`; people sign in at v2 only. */
export const v1Configuration = (tenant: Tenant): Document => ({
  ...common(tenant),
  issuer: v1Issuer(tenant),
  token_endpoint: `${tenant.authority}/${tenant.id}/oauth2/token`,
  jwks_uri: `${tenant.authority}/${tenant.id}/discovery/keys`,
});

/** `/common/discovery/instance`: this authority is a cloud of its own. */
export const instanceDiscovery = (tenant: Tenant): Document => {
  const { host } = new URL(tenant.authority);
  return {
    tenant_discovery_endpoint: `${tenant.authority}/${tenant.id}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
  };
};
