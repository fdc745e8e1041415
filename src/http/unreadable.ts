/**
 * What Node's parser gives up on: no handler ever sees a request of it. Whoever sent it is answered like any other where
 * that cannot be taken for the answer to something else.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { DOOR_REASONS, type DoorReason } from '../reasons/door.ts';

const REASONS: ReadonlyMap<string, DoorReason> = new Map([
  ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'request_slow'],
]);

/** Why the parser gave up, by Node's code of its error; null: the connection broke, which is nobody's mistake. */
export const reasonOfParser = ({ code = '' }: NodeJS.ErrnoException): DoorReason | null =>
  REASONS.get(code) ?? (code.startsWith('HPE_') ? 'http_malformed' : null);

/** The last answer on a connection from which nothing can be read any more; the connection ends with it. */
export const sendUnreadable = (socket: Socket, reason: DoorReason): void => {
  const { meaning, client } = DOOR_REASONS[reason];
  const body = JSON.stringify({ error: client.error, error_description: meaning });
  const head = [
    `HTTP/1.1 ${client.status} ${STATUS_CODES[client.status]}`,
    'Cache-Control: no-store',
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Content-Type: application/json; charset=utf-8',
    'X-Content-Type-Options: nosniff',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
};
