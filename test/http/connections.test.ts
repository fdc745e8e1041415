/** Whose the connections are: half of all at most of one address, and room for who has few at the cost of who has many. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { type Listening, listen } from '../../src/http/server.ts';

const MAX = 40;
const ASK = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

const logged: string[] = [];
const logger = pino({ level: 'warn' }, { write: (line) => void logged.push(line) });

const start = (trustedProxies: readonly string[] = []): Promise<Listening> =>
  listen({
    host: '127.0.0.1',
    port: 0,
    setting: 'NONE',
    handler: (_request, response) => response.end(),
    trustedProxies,
    maxConnections: MAX,
    logger,
  });

const open = async ({ port }: Listening, localAddress = '127.0.0.1'): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
};

/** `200`, or nothing where the connection is cut. */
const ask = async (socket: Socket): Promise<string> => {
  let received = '';
  const over = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.on('data', (data) => {
      received += data;
      resolve();
    });
  });
  socket.write(ASK);
  await over;
  return /^HTTP\/1.1 (\d+)/.exec(received)?.[1] ?? '';
};

const openMany = (server: Listening, count: number, localAddress?: string): Promise<Socket[]> =>
  Promise.all(Array.from({ length: count }, () => open(server, localAddress)));

it('cuts what one address opens beyond its half, serves others, and tells of it (D16)', async () => {
  const server = await start();
  const [first, ...others] = await openMany(server, MAX / 2);
  expect(await ask(await open(server))).toBe('');
  expect(await ask(await open(server, '127.0.0.2'))).toBe('200');
  expect(await ask(first as Socket)).toBe('200');
  await expect.poll(() => logged.join(), { timeout: 5_000 }).toContain('"refused":1');
  (first as Socket).destroy();
  // Whoever closes one may open one.
  await expect.poll(async () => ask(await open(server))).toBe('200');
  for (const socket of others) socket.destroy();
  await server.close();
});

it('counts none of a trusted proxy, who brings many clients', async () => {
  const server = await start(['127.0.0.0/30']);
  const sockets = await openMany(server, MAX / 2 + 1);
  expect(await ask(sockets.at(-1) as Socket)).toBe('200');
  for (const socket of sockets) socket.destroy();
  await server.close();
});

const HALF_A_REQUEST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na';

it('makes room for who has few at the cost of who has many, and never of a request that came whole (D16)', async () => {
  const held = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    setting: 'NONE',
    handler: async (request, response) => {
      if (request.url === '/held') {
        asked.resolve();
        await held.promise;
      }
      response.end();
    },
    maxConnections: MAX,
    logger,
  });
  const waiting = await open(server, '127.0.0.2');
  let answered = '';
  waiting.on('data', (data) => {
    answered += data;
  });
  waiting.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
  await asked.promise;
  const many = [
    ...(await openMany(server, MAX / 2 - 1, '127.0.0.2')),
    ...(await openMany(server, MAX / 2, '127.0.0.3')),
  ];
  for (const socket of many) socket.write(HALF_A_REQUEST);
  for (let few = 0; few < MAX / 4; few += 1) expect(await ask(await open(server, '127.0.0.4'))).toBe('200');
  held.resolve();
  await expect.poll(() => answered).toContain('200 OK');
  for (const socket of [waiting, ...many]) socket.destroy();
  await server.close();
});
