/**
 * What each connection of a server still owes. Node limits how long a request may take to arrive, not how long an answer
 * may take to leave, and reads on when many requests come ahead of their answers: without limits of ours a client that
 * never reads keeps its connection, and everything that was answered on it, for ever.
 *
 * The time counts bytes that wait to be taken, not the answer: one that is held back by us has none and may take as long
 * as it needs, and so may those behind it.
 */
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { addressPrefix } from './network.ts';

/** One answer must be taken within this; the largest of ours, a style sheet, then needs 10 KB a second. */
const TAKE_MAX_MS = 10_000;
const CHECK_INTERVAL_MS = 1_000;
/** Requests that may be under way on one connection. Browsers and proxies wait for each answer. */
const AHEAD_MAX = 16;

type Connection = {
  /** As it is counted; null: of a proxy. */
  readonly address: string | null;
  readonly answers: Set<ServerResponse>;
  unsentSince: number | null;
};

export type ConnectionsOptions = {
  /** Connections at a time; half of them of one address, as it is counted (`addressPrefix`). */
  readonly max: number;
  /** Whether a peer stands for many clients, and may have any number. */
  readonly isProxy: (peer: string) => boolean;
  readonly logger: Logger;
};

export type Connections = {
  /**
   * Counts a request until it is answered. False: it must not be, since its connection had too many under way and is cut,
   * or ends with an answer before.
   */
  readonly begin: (response: ServerResponse) => boolean;
  /**
   * What is owed on a connection from which nothing more can be read: `nothing`; an answer to the `request` that was
   * being read, and to none before; or `answers` to others, for one of which anything sent now would be taken.
   */
  readonly owed: (socket: Socket) => 'nothing' | 'request' | 'answers';
  /** The answers that are owed now. */
  readonly underWay: () => ServerResponse[];
};

/** Resets rather than ends: what the kernel still holds for somebody who does not read is freed with it. */
const cut = (socket: Socket): void => void socket.resetAndDestroy();

/** Whatever comes after an answer that closes the connection must not be acted on (RFC 9112 section 9.6). */
const isLast = (answer: ServerResponse): boolean => answer.getHeader('Connection') === 'close';

/** Watches the connections of a server, from before it listens until it is closed. */
export const watchConnections = (
  server: Server,
  { max, isProxy, logger }: ConnectionsOptions,
): Connections => {
  const connections = new Map<Socket, Connection>();
  const ofAddress = new Map<string, number>();
  let refused = 0;

  const add = (socket: Socket, address: string | null): void => {
    connections.set(socket, { address, answers: new Set(), unsentSince: null });
    if (address !== null) ofAddress.set(address, (ofAddress.get(address) ?? 0) + 1);
  };
  const remove = (socket: Socket): void => {
    const address = connections.get(socket)?.address ?? null;
    if (!connections.delete(socket) || address === null) return;
    const left = (ofAddress.get(address) ?? 0) - 1;
    if (left > 0) ofAddress.set(address, left);
    else ofAddress.delete(address);
  };

  /** Makes room for one more at the cost of whoever has most: the oldest of its connections with no whole request. */
  const makeRoom = (): boolean => {
    const most = Math.max(0, ...ofAddress.values());
    for (const [socket, { address, answers }] of connections) {
      if (address === null || ofAddress.get(address) !== most) continue;
      if ([...answers].some(({ req }) => req.complete)) continue;
      remove(socket);
      cut(socket);
      refused += 1;
      return true;
    }
    return false;
  };

  const tellRefused = (): void => {
    if (refused > 0) logger.warn({ refused }, 'connections were cut: an address had too many, or all had');
    refused = 0;
  };

  const cutWhoDoesNotRead = (): void => {
    const now = performance.now();
    for (const [socket, connection] of connections) {
      if (socket.writableLength === 0) connection.unsentSince = null;
      else connection.unsentSince ??= now;
      if (connection.unsentSince !== null && now - connection.unsentSince > TAKE_MAX_MS) cut(socket);
    }
  };
  const check = (): void => {
    cutWhoDoesNotRead();
    tellRefused();
  };
  const checking = setInterval(check, CHECK_INTERVAL_MS).unref();

  server.once('close', () => clearInterval(checking));
  server.on('connection', (socket: Socket) => {
    const peer = socket.remoteAddress ?? '';
    const address = isProxy(peer) ? null : addressPrefix(peer);
    const ofIts = address === null ? 0 : (ofAddress.get(address) ?? 0);
    if (ofIts >= max / 2 || (connections.size >= max && !makeRoom())) {
      refused += 1;
      cut(socket);
      return;
    }
    add(socket, address);
    socket.once('close', () => remove(socket));
  });

  return {
    begin: (response) => {
      const { socket } = response.req;
      const connection = connections.get(socket);
      // Further requests of one that was cut may have been read before.
      if (connection === undefined || socket.destroyed) return false;
      if (socket.writableEnded || [...connection.answers].some(isLast)) return false;
      if (connection.answers.size === AHEAD_MAX) {
        cut(socket);
        return false;
      }
      connection.answers.add(response);
      response.once('finish', () => {
        connection.answers.delete(response);
        connection.unsentSince = null;
      });
      return true;
    },
    owed: (socket) => {
      const answers = [...(connections.get(socket)?.answers ?? [])];
      if (answers.length === 0) return 'nothing';
      return answers.some(({ req, headersSent }) => req.complete || headersSent) ? 'answers' : 'request';
    },
    underWay: () => [...connections.values()].flatMap(({ answers }) => [...answers]),
  };
};
