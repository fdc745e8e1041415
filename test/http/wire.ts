/** Requests as bytes on a socket: what an HTTP library would never send. */
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';

export type Reply = { readonly status: number; readonly head: string; readonly body: string };

/** Everything the server sends until it closes, or until `until` holds of it. */
export const sendBytes = (
  port: number,
  bytes: string | Buffer | readonly (string | Buffer)[],
  until: (received: string) => boolean = () => false,
): Promise<string> =>
  new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => {
      for (const piece of [bytes].flat()) socket.write(piece);
    });
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      received += text;
      if (until(received)) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(received));
  });

/** Sends `head` and then `piece` without end, until the server closes; everything it sent. */
export const pour = (port: number, head: string, piece: string): Promise<string> =>
  new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1');
    const go = (): void => {
      while (socket.writable && socket.write(piece));
    };
    socket.setEncoding('utf8');
    socket
      .on('data', (text: string) => {
        received += text;
      })
      .on('drain', go)
      .on('error', () => undefined)
      .on('close', () => resolve(received));
    socket.write(head);
    go();
  });

/** One request with `Connection: close`; header lines as they are to be sent. */
export const send = async (
  port: number,
  request: string,
  headers: readonly string[],
  body: string | Buffer = '',
): Promise<Reply> => {
  const lines = [`${request} HTTP/1.1`, 'Connection: close', ...headers];
  const received = await sendBytes(port, [`${lines.join('\r\n')}\r\n\r\n`, body]);
  const [head = '', ...rest] = received.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), head, body: rest.join('\r\n\r\n') };
};

/** A POST of `body` with its length; `type` null: without a Content-Type. */
export const post = (
  port: number,
  path: string,
  type: string | null,
  body: string | Buffer,
): Promise<Reply> => {
  const typeLine = type === null ? [] : [`Content-Type: ${type}`];
  const lengthLine = `Content-Length: ${Buffer.byteLength(body)}`;
  return send(port, `POST ${path}`, [`Host: 127.0.0.1:${port}`, ...typeLine, lengthLine], body);
};

/** Answers JSON in one piece. */
export const answerJson = (response: ServerResponse, value: unknown, status = 200, close = false): void => {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    'content-length': Buffer.byteLength(body),
    ...(close && { connection: 'close' }),
  });
  response.end(body);
};
