/**
 * The first and the last to handle every request. On the way in: the Host is one of ours (the protocol library would
 * put any other into its metadata), the target is a path, forwarding headers are replaced by what is true. On the way
 * out: security headers, and for whatever was thrown an answer that tells nothing of the inside.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BlockList } from 'node:net';
import Koa, { type Middleware } from 'koa';
import type { Logger } from 'pino';
import { DOOR_REASONS, type DoorReason } from '../reasons/door.ts';
import { clientAddress, parseTrustedProxies } from './client-address.ts';
import { openOutageLog } from './outage-log.ts';
import { repeatedHeader } from './repeated-header.ts';
import { TooMuchUnderWay } from './slots.ts';
import { traceIdOf } from './trace-id.ts';
import { retryAfterSecondsOf } from './unavailable.ts';

/** Proxies and browsers send about thirty. */
const HEADERS_MAX = 100;

/** What later middleware finds in `context.state`. */
export type FrontDoorState = {
  /** The address to hold responsible for the request, after trusted proxies. */
  clientAddress: string;
};

/** Told of whatever is not let in, and whom to hold responsible; must not throw. */
export type OnRefused = (
  reason: DoorReason,
  from: { readonly address: string; readonly traceId: string },
) => void;

export type FrontDoorOptions = {
  /** Public base URLs served here; the Host header must be that of one of them. */
  readonly publicUrls: readonly string[];
  /** Addresses and CIDR networks of proxies whose forwarding headers count. */
  readonly trustedProxies: readonly string[];
  readonly logger: Logger;
  readonly onRefused?: OnRefused;
};

/** What every request passes first, and whoever fails last. */
export type FrontDoor = {
  /** Lets a request in: the address to hold responsible for it. Null: it was refused, and is answered. */
  readonly admit: (request: IncomingMessage, response: ServerResponse) => string | null;
  /** Answers for whatever was thrown, telling nothing of the inside but in the log. */
  readonly fail: (request: IncomingMessage, response: ServerResponse, error: unknown) => void;
};

/** For answers that are no pages; the console sets its own policy over it. */
const SECURITY_HEADERS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
  }),
);
/** Two years, as browsers ask for before they take a host for https only. */
const STRICT_TRANSPORT_SECURITY = 'max-age=63072000';

type Admitted = { readonly base: URL; readonly client: string };
type Refusal = { readonly reason: DoorReason; readonly description: string };

/** No other can be undone here, and what a proxy made of one is not known: where the body ends is then anybody's guess. */
const isChunkedAlone = ({ headers, httpVersion }: IncomingMessage): boolean => {
  const coding = headers['transfer-encoding'];
  return coding === undefined || (coding.toLowerCase() === 'chunked' && httpVersion === '1.1');
};

const checkRequest = (
  request: IncomingMessage,
  hosts: ReadonlyMap<string, URL>,
  trusted: BlockList,
): Admitted | Refusal => {
  if (request.rawHeaders.length / 2 > HEADERS_MAX)
    return { reason: 'headers_too_many', description: 'too many headers' };
  if (!/^\/(?!\/)[^#]*$/.test(request.url ?? ''))
    return { reason: 'target_not_path', description: 'the request target must be a path' };
  if (!isChunkedAlone(request))
    return { reason: 'transfer_coding', description: 'send the body as it is, or chunked' };
  const repeated = request.headers.host === undefined ? 'Host' : repeatedHeader(request.rawHeaders);
  if (repeated !== null) return { reason: 'header_not_once', description: `send one ${repeated} header` };
  const base = hosts.get(request.headers.host?.toLowerCase() ?? '');
  if (base === undefined) return { reason: 'host_unknown', description: 'this host is not served here' };
  const client = clientAddress(request.socket.remoteAddress ?? '', request.headers, trusted);
  return client === null
    ? {
        reason: 'forwarding_disagrees',
        description: 'Forwarded and X-Forwarded-For name different clients',
      }
    : { base, client };
};

/** From here on Host and forwarding headers say what is true, whoever sent what; `app.proxy = true` is then safe. */
const rewriteForwarding = (request: IncomingMessage, base: URL, client: string): void => {
  const { headers } = request;
  for (const name of Object.keys(headers)) {
    if (name === 'forwarded' || name.startsWith('x-forwarded-')) delete headers[name];
  }
  headers.host = base.host;
  headers['x-forwarded-proto'] = base.protocol.slice(0, -1);
  headers['x-forwarded-for'] = client;
};

/** Answers a request with a JSON object, where no framework does it. */
export const sendJson = (response: ServerResponse, status: number, body: object): void => {
  const bytes = Buffer.from(JSON.stringify(body));
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', bytes.length);
  response.end(bytes);
};

/** What the sender caused itself, as routers and parsers throw it: `expose` tells it from an error of ours. */
const statusOfSender = (error: unknown): number | null =>
  error instanceof Error && 'expose' in error && error.expose === true && 'status' in error
    ? Number(error.status)
    : null;

/** What every answer carries; `secure`: it is sent on https. */
export const setGuards = (response: ServerResponse, secure: boolean): void => {
  for (const [name, value] of SECURITY_HEADERS) response.setHeader(name, value);
  if (secure) response.setHeader('Strict-Transport-Security', STRICT_TRANSPORT_SECURITY);
};

/** Opens the front door of the given hosts. */
export const openFrontDoor = ({
  publicUrls,
  trustedProxies,
  logger,
  onRefused,
}: FrontDoorOptions): FrontDoor => {
  const hosts = new Map(publicUrls.map((url) => [new URL(url).host, new URL(url)]));
  const trusted = parseTrustedProxies(trustedProxies);
  const tellOutage = openOutageLog(logger);

  return {
    admit: (request, response) => {
      const checked = checkRequest(request, hosts, trusted);
      if ('base' in checked) {
        setGuards(response, checked.base.protocol === 'https:');
        rewriteForwarding(request, checked.base, checked.client);
        return checked.client;
      }
      const { status, error } = DOOR_REASONS[checked.reason].client;
      setGuards(response, false);
      if (checked.reason === 'transfer_coding') response.setHeader('Connection', 'close');
      sendJson(response, status, { error, error_description: checked.description });
      const peer = request.socket.remoteAddress ?? '';
      onRefused?.(checked.reason, {
        address: clientAddress(peer, request.headers, trusted) ?? peer,
        traceId: traceIdOf(String(request.headers.traceparent ?? '')),
      });
      return null;
    },
    fail: (request, response, error) => {
      const about = { err: error, method: request.method, path: request.url?.replace(/\?.*/s, '') };
      if (response.headersSent) {
        logger.error(about, 'failed while answering');
        response.destroy();
        return;
      }
      const kept = [...SECURITY_HEADERS.keys(), 'Strict-Transport-Security', 'Connection'].map((name) =>
        name.toLowerCase(),
      );
      for (const name of response.getHeaderNames()) if (!kept.includes(name)) response.removeHeader(name);
      const retryAfter = retryAfterSecondsOf(error);
      const senderStatus = statusOfSender(error);
      if (retryAfter !== null) {
        // A flood must not fill the log with itself.
        const shed = error instanceof TooMuchUnderWay;
        if (!shed) tellOutage(error, about);
        response.setHeader('Retry-After', retryAfter);
        sendJson(response, 503, {
          error: 'temporarily_unavailable',
          error_description: shed ? error.message : 'try the same request again',
        });
      } else if (senderStatus !== null) {
        sendJson(response, senderStatus, {
          error: 'invalid_request',
          error_description: 'the request is not acceptable',
        });
      } else {
        logger.error(about, 'answered 500: unexpected error');
        sendJson(response, 500, {
          error: 'server_error',
          error_description: 'an internal error, told in the log of the broker',
        });
      }
    },
  };
};

/** The same as the outermost middleware of an application. Sets `context.state.clientAddress`. */
export const throughFrontDoor =
  ({ admit, fail }: FrontDoor): Middleware =>
  async (context, next) => {
    const address = admit(context.req, context.res);
    if (address === null) {
      context.respond = false;
      return;
    }
    context.state.clientAddress = address;
    try {
      await next();
    } catch (error) {
      context.respond = false;
      fail(context.req, context.res, error);
    }
  };

/** An application that nothing reaches but through `door`. */
export const openApplication = (door: FrontDoor): Koa => {
  const application = new Koa();
  // The front door tells what fails; the framework would print what senders that break off make of a request.
  application.silent = true;
  // The front door leaves only forwarding headers that are true.
  application.proxy = true;
  application.use(throughFrontDoor(door));
  return application;
};
