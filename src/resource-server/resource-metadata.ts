/**
 * RFC 9728: an API tells by itself whose tokens it takes and for which actions, and each of its challenges tells where
 * that is written. The document is made once, from configuration: nothing of a request can get into it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PROOF_ALGORITHMS } from '../proof/proof-key.ts';

export type ResourceMetadataOptions = {
  /**
   * Where callers reach the API, its resource identifier (RFC 9728 section 1.2): https except on loopback, no query, no
   * fragment, no slash at the end.
   */
  readonly resource: string;
  /** The broker, byte for byte as in its own metadata. */
  readonly issuer: string;
  /** The API's name in the broker's registry. */
  readonly audience: string;
  /** The actions that tokens are asked for, scopes of the registry. */
  readonly scopes: readonly string[];
  /** Whether the API takes tokens that are bound to a key: its verifier is given a `url`. */
  readonly acceptsProofs?: boolean;
  /** What people call the API. */
  readonly name?: string;
};

export type ResourceMetadata = {
  /** Address of the document, for `createVerifier`. */
  readonly url: string;
  readonly document: Readonly<Record<string, unknown>>;
  /** Answers a request for the document; false, with nothing done, when the request is for something else. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => boolean;
};

const WELL_KNOWN = '/.well-known/oauth-protected-resource';
/** It changes with the API's configuration only. */
const MAX_AGE_SECONDS = 300;
const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '[::1]'];

const parseResource = (resource: string): URL => {
  const url = URL.canParse(resource) ? new URL(resource) : null;
  const isCanonical = url !== null && [url.href, url.href.replace(/\/$/, '')].includes(resource);
  const isSecure = url?.protocol === 'https:' || LOOPBACK_HOSTS.includes(url?.hostname ?? '');
  if (!url || !isCanonical || !isSecure || /[?#@]|\/$/.test(resource) || !/^https?:$/.test(url.protocol))
    throw new Error(
      `resource must be the https URL of the API without query, fragment and final slash, not ${resource}`,
    );
  return url;
};

/** Describes an API. Throws when `resource` is not an address that the document could be found under. */
export const describeResource = (options: ResourceMetadataOptions): ResourceMetadata => {
  const { resource, issuer, audience, scopes, acceptsProofs = false, name } = options;
  const { origin, pathname } = parseResource(resource);
  // Between host and path (RFC 9728 section 3.1), so that one host can hold several APIs.
  const path = `${WELL_KNOWN}${pathname === '/' ? '' : pathname}`;
  const document = {
    resource,
    // Not a member of the RFC: what to ask the broker for where the API is registered under another name than its URL.
    ...(audience !== resource && { audience }),
    authorization_servers: [issuer],
    scopes_supported: scopes,
    bearer_methods_supported: ['header'],
    ...(acceptsProofs && { dpop_signing_alg_values_supported: PROOF_ALGORITHMS }),
    ...(name !== undefined && { resource_name: name }),
  };
  const body = JSON.stringify(document);

  const serve: ResourceMetadata['serve'] = (request, response) => {
    if (request.url?.split('?', 1)[0] !== path) return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return true;
    }
    response.writeHead(200, {
      'cache-control': `public, max-age=${MAX_AGE_SECONDS}`,
      'content-length': Buffer.byteLength(body),
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
    });
    response.end(body);
    return true;
  };
  return { url: `${origin}${path}`, document, serve };
};
