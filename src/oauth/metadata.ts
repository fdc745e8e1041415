/** What clients and APIs discover: RFC 8414 and OpenID metadata, the same facts under both names, and the JWKS. */
import { createHash } from 'node:crypto';
import Router from '@koa/router';
import { PROOF_ALGORITHMS } from '../proof/proof-key.ts';
import type { PublicJwk } from '../tokens/signing-key.ts';
import { TOKEN_EXCHANGE } from './token-endpoint.ts';

/** Metadata and keys change rarely and are announced before use: APIs may keep them this long. */
const MAX_AGE_SECONDS = 300;

/** RFC 8414 section 2, RFC 9449 section 5.1. Every URL is built on the configured issuer, never on a request. */
export const authorizationServerMetadata = (issuer: string): Readonly<Record<string, unknown>> => ({
  issuer,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  grant_types_supported: [TOKEN_EXCHANGE],
  response_types_supported: ['none'],
  token_endpoint_auth_methods_supported: ['none'],
  // An API shows its assertion as Bearer, as RFC 8414 section 2 has a name for; an agent is told by its subject_token.
  introspection_endpoint: `${issuer}/introspect`,
  introspection_endpoint_auth_methods_supported: ['Bearer'],
  revocation_endpoint: `${issuer}/revoke`,
  revocation_endpoint_auth_methods_supported: ['none'],
  dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256'],
  // OpenID takes its absence for a yes.
  request_uri_parameter_supported: false,
});

type Document = { readonly body: string; readonly etag: string };

const documentOf = (value: unknown): Document => {
  const body = JSON.stringify(value);
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
};

/** The document of a value that rarely changes: written anew when it is another. */
const documentOfLatest = <Value>(
  latest: () => Value,
  render: (value: Value) => unknown,
): (() => Document) => {
  let written = latest();
  let document = documentOf(render(written));
  return () => {
    const value = latest();
    if (value !== written) {
      written = value;
      document = documentOf(render(value));
    }
    return document;
  };
};

/** `publicKeys` is the same array as long as the keys are the same. */
export const metadataRoutes = (issuer: string, publicKeys: () => readonly PublicJwk[]): Router => {
  const router = new Router();
  const metadata = documentOf(authorizationServerMetadata(issuer));
  const documents = {
    '/.well-known/oauth-authorization-server': { document: () => metadata, type: 'application/json' },
    '/.well-known/openid-configuration': { document: () => metadata, type: 'application/json' },
    '/jwks': {
      document: documentOfLatest(publicKeys, (keys) => ({ keys })),
      type: 'application/jwk-set+json',
    },
  };
  for (const [path, { document, type }] of Object.entries(documents)) {
    router.get(path, (context) => {
      const { body, etag } = document();
      context.set('Cache-Control', `public, max-age=${MAX_AGE_SECONDS}`);
      context.set('ETag', etag);
      context.status = 200;
      if (context.fresh) {
        context.status = 304;
        return;
      }
      context.type = type;
      context.body = body;
    });
  }
  return router;
};
