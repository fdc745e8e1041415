/** Clients that take no answer, or one byte at a time: they keep neither connection nor memory, and cut nobody who waits. */
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { type Listening, listen } from '../../src/http/server.ts';
import { send, sendBytes } from './wire.ts';

/** More than the buffers of both kernels take. */
const HUGE = Buffer.alloc(64 * 1_024 * 1_024, 0x61);
const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

const servers: Listening[] = [];
const sockets: Socket[] = [];
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.map((server) => server.close()));
});

const start = async (handler: RequestListener): Promise<number> => {
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    setting: 'NONE',
    logger: pino({ level: 'silent' }),
    handler,
  });
  servers.push(server);
  return server.port;
};

/** A connection that has sent `bytes` and reads nothing unless told to. */
const sendOnly = (port: number, bytes: string): Socket => {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.pause();
  socket.write(bytes);
  return socket;
};

describe.concurrent('a client that does not take its answer', () => {
  it('is cut when it reads nothing (D16)', async () => {
    const cut = Promise.withResolvers<void>();
    const port = await start((request, response) => {
      request.socket.once('close', () => cut.resolve());
      response.end(HUGE);
    });
    sendOnly(port, GET('/'));
    await cut.promise;
  });

  it('is cut when it reads a little at a time (D16)', async () => {
    const cut = Promise.withResolvers<void>();
    const port = await start((request, response) => {
      request.socket.once('close', () => cut.resolve());
      response.end(HUGE);
    });
    const socket = sendOnly(port, GET('/'));
    const sip = setInterval(() => socket.read(1_024), 50);
    await cut.promise;
    clearInterval(sip);
  });

  it('cuts nobody who waits meanwhile for an answer that takes longer', async () => {
    const cut = Promise.withResolvers<void>();
    const waiting = Promise.withResolvers<void>();
    const port = await start(async (request, response) => {
      if (request.url === '/huge') {
        request.socket.once('close', () => cut.resolve());
        response.end(HUGE);
      } else {
        if (request.url === '/held') {
          waiting.resolve();
          await cut.promise;
        }
        response.end(`answered ${request.url}`);
      }
    });
    const held = send(port, 'GET /held', ['Host: x']);
    const line = sendBytes(port, GET('/held') + GET('/behind'), (received) =>
      received.includes('answered /behind'),
    );
    await waiting.promise;
    sendOnly(port, GET('/huge'));
    expect((await held).body).toContain('answered /held');
    expect(await line).toMatch(/answered \/held.*answered \/behind/s);
  });

  it('may take long, one answer after the other', async () => {
    const port = await start((_request, response) => response.end(Buffer.alloc(16 * 1_024 * 1_024)));
    const socket = sendOnly(port, GET('/').repeat(4));
    socket.resume();
    let bytes = 0;
    for await (const chunk of socket) {
      bytes += chunk.length;
      if (bytes > 64 * 1_024 * 1_024) break;
    }
    expect(bytes).toBeGreaterThan(64 * 1_024 * 1_024);
  });
});

describe('a client that sends request after request on one connection', () => {
  it('and waits for no answer, is cut when too many are under way', async () => {
    let underWay = 0;
    const cut = Promise.withResolvers<void>();
    const port = await start((request) => {
      if (underWay === 0) request.socket.once('close', () => cut.resolve());
      underWay += 1;
    });
    sendOnly(port, GET('/').repeat(1_000));
    await cut.promise;
    expect(underWay).toBeLessThanOrEqual(16);
  });

  it('may send some ahead', async () => {
    const port = await start((request, response) => response.end(`answered ${request.url}`));
    const ahead = Array.from({ length: 16 }, (_, index) => GET(`/${index}`)).join('');
    const received = await sendBytes(port, ahead, (text) => text.includes('answered /15'));
    expect(received.match(/answered/g)).toHaveLength(16);
  });
});

it('ends while connections are cut with answers in line', async () => {
  const arrived = Promise.withResolvers<void>();
  let underWay = 0;
  const port = await start(() => {
    underWay += 1;
    if (underWay === 8) arrived.resolve();
  });
  const socket = sendOnly(port, GET('/').repeat(8));
  await arrived.promise;
  socket.destroy();
  await once(socket, 'close');
});
