/**
 * The first and the last to handle every request. On the way in: the Host is one of ours (the protocol library would
 * put any other into its metadata), the target is a path, forwarding headers are replaced by what is true. On the way
 * out: security headers, and for whatever was thrown an answer that tells nothing of the inside.
 */
import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import type { Context, Middleware } from 'koa';
import type { Logger } from 'pino';
import { clientAddress, parseTrustedProxies } from './client-address.ts';
import { retryAfterSecondsOf } from './unavailable.ts';

/** Proxies and browsers send about thirty. */
const HEADERS_MAX = 100;

/** What later middleware finds in `context.state`. */
export type FrontDoorState = {
  /** The address to hold responsible for the request, after trusted proxies. */
  clientAddress: string;
};

export type FrontDoorOptions = {
  /** Public base URLs served here; the Host header must be that of one of them. */
  readonly publicUrls: readonly string[];
  /** Addresses and CIDR networks of proxies whose forwarding headers count. */
  readonly trustedProxies: readonly string[];
  readonly logger: Logger;
};

/** For answers that are no pages; the console sets its own policy over it. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};
/** Two years, as browsers ask for before they take a host for https only. */
const STRICT_TRANSPORT_SECURITY = 'max-age=63072000';

type Refusal = { readonly status: 400 | 421 | 431; readonly description: string };

const countHosts = (rawHeaders: readonly string[]): number =>
  rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length;

const checkRequest = (request: IncomingMessage, hosts: ReadonlyMap<string, URL>): URL | Refusal => {
  if (request.rawHeaders.length / 2 > HEADERS_MAX) return { status: 431, description: 'too many headers' };
  if (!/^\/(?!\/)/.test(request.url ?? '')) {
    return { status: 400, description: 'the request target must be a path' };
  }
  if (countHosts(request.rawHeaders) !== 1) return { status: 400, description: 'send one Host header' };
  return (
    hosts.get(request.headers.host?.toLowerCase() ?? '') ?? {
      status: 421,
      description: 'this host is not served here',
    }
  );
};

/** From here on Host and forwarding headers say what is true, whoever sent what; `app.proxy = true` is then safe. */
const rewriteForwarding = (request: IncomingMessage, base: URL, trusted: BlockList): string => {
  const { headers } = request;
  const client = clientAddress(request.socket.remoteAddress ?? '', headers, trusted);
  for (const name of Object.keys(headers)) {
    if (name === 'forwarded' || name.startsWith('x-forwarded-')) delete headers[name];
  }
  headers.host = base.host;
  headers['x-forwarded-proto'] = base.protocol.slice(0, -1);
  headers['x-forwarded-for'] = client;
  return client;
};

const answerError = (context: Context, status: number, error: string, description: string): void => {
  context.status = status;
  context.body = { error, error_description: description };
};

/** What the sender caused itself, as routers and parsers throw it: `expose` tells it from an error of ours. */
const statusOfSender = (error: unknown): number | null =>
  error instanceof Error && 'expose' in error && error.expose === true && 'status' in error
    ? Number(error.status)
    : null;

const answerThrown = (context: Context, error: unknown, logger: Logger): void => {
  const retryAfter = retryAfterSecondsOf(error);
  const about = { err: error, method: context.method, path: context.path };
  const senderStatus = statusOfSender(error);
  if (retryAfter !== null) {
    logger.warn(about, 'answered 503: something that must hold is unavailable');
    context.set('Retry-After', String(retryAfter));
    answerError(context, 503, 'temporarily_unavailable', 'try the same request again');
  } else if (senderStatus !== null) {
    answerError(context, senderStatus, 'invalid_request', 'the request is not acceptable');
  } else {
    logger.error(about, 'answered 500: unexpected error');
    answerError(context, 500, 'server_error', 'an internal error, told in the log of the broker');
  }
};

/** The outermost middleware. Sets `context.state.clientAddress`. */
export const frontDoor = ({ publicUrls, trustedProxies, logger }: FrontDoorOptions): Middleware => {
  const hosts = new Map(publicUrls.map((url) => [new URL(url).host, new URL(url)]));
  const trusted = parseTrustedProxies(trustedProxies);

  const guard = (context: Context, base: URL | null): void => {
    for (const name of context.res.getHeaderNames()) if (name !== 'connection') context.remove(name);
    context.set(SECURITY_HEADERS);
    if (base?.protocol === 'https:') context.set('Strict-Transport-Security', STRICT_TRANSPORT_SECURITY);
  };

  return async (context, next) => {
    const base = checkRequest(context.req, hosts);
    if (!(base instanceof URL)) {
      guard(context, null);
      answerError(context, base.status, 'invalid_request', base.description);
      return;
    }
    context.state.clientAddress = rewriteForwarding(context.req, base, trusted);
    guard(context, base);
    try {
      await next();
    } catch (error) {
      if (context.headerSent) {
        logger.error({ err: error, method: context.method, path: context.path }, 'failed while answering');
        context.res.destroy();
        return;
      }
      guard(context, base);
      answerThrown(context, error, logger);
    }
  };
};
