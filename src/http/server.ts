/**
 * A listening HTTP server with limits against clients that take their time or bring too much, and an end that lets
 * what is under way be answered. TLS is the business of the proxy in front.
 */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from 'pino';
import { newTraceId } from '../ids.ts';
import { isProxy, parseTrustedProxies } from './client-address.ts';
import { watchConnections } from './connections.ts';
import type { OnRefused } from './front-door.ts';
import { reasonOfParser, sendUnreadable } from './unreadable.ts';

const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1_024,
  // The front door asks for it, and tells of whoever sends none.
  requireHostHeader: false,
} as const;
const MAX_CONNECTIONS = 2_000;
const MAX_REQUESTS_PER_SOCKET = 1_000;
/** What is under way at the end has this long to be answered. */
const DRAIN_MS = 8_000;

export type ListenOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The setting that chose the address, for the message when it is taken. */
  readonly setting: string;
  readonly handler: RequestListener;
  /** Addresses and CIDR networks of proxies: their connections are those of many clients. */
  readonly trustedProxies?: readonly string[];
  /** Told of what is no request that a handler could see. */
  readonly onRefused?: OnRefused;
  /** At a time; 2,000 by default. */
  readonly maxConnections?: number;
  readonly logger: Logger;
};

export type Listening = {
  readonly host: string;
  readonly port: number;
  /** Accepts nothing new, answers what is under way, then closes. */
  readonly close: () => Promise<void>;
};

const explain = (error: unknown, { host, port, setting }: ListenOptions): Error => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const advice =
    code === 'EADDRINUSE'
      ? `is already in use: end the process that listens there, or choose another address with ${setting}`
      : `cannot be listened on (${String(code)}): choose another address with ${setting}`;
  return new Error(`${host.includes(':') ? `[${host}]` : host}:${port} ${advice}`, { cause: error });
};

/** Starts listening. Throws an error that says what to do when the address cannot be had. */
export const listen = async (options: ListenOptions): Promise<Listening> => {
  let closing = false;
  const handle: RequestListener = (request, response) => {
    if (!connections.begin(response)) return;
    if (closing) response.setHeader('Connection', 'close');
    options.handler(request, response);
  };
  const server = createServer(LIMITS, handle);
  // Whoever expects more than that the body is waited for may be answered as any other (RFC 9110 section 10.1.1).
  server.on('checkExpectation', handle);
  server.on('clientError', (error, socket: Socket) => {
    const reason = reasonOfParser(error);
    const owed = connections.owed(socket);
    const from = { address: socket.remoteAddress ?? '', traceId: newTraceId() };
    if (reason === null || owed === 'answers' || !socket.writable) socket.destroy();
    else sendUnreadable(socket, reason);
    // Who reads a request tells that it ended early, and a browser may open connections that it then has no use for.
    if (reason === null || owed === 'request' || socket.bytesRead === 0) return;
    options.onRefused?.(reason, from);
  });
  const proxies = parseTrustedProxies(options.trustedProxies ?? []);
  const connections = watchConnections(server, {
    max: options.maxConnections ?? MAX_CONNECTIONS,
    isProxy: (peer) => isProxy(peer, proxies),
    logger: options.logger,
  });
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET;
  try {
    server.listen(options.port, options.host);
    await once(server, 'listening');
  } catch (error) {
    throw explain(error, options);
  }
  server.on('error', (error) => options.logger.error({ err: error }, 'the HTTP server failed'));

  const close = async (): Promise<void> => {
    closing = true;
    const closed = once(server, 'close');
    server.close();
    for (const response of connections.underWay()) {
      if (!response.headersSent) response.setHeader('Connection', 'close');
    }
    const impatience = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    await closed;
    clearTimeout(impatience);
  };
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port, close };
};
