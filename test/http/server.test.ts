import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type Listening, listen } from '../../src/http/server.ts';
import { send, sendBytes } from './wire.ts';

const logger = pino({ level: 'silent' });

const start = (handler: Parameters<typeof listen>[0]['handler'], port = 0): Promise<Listening> =>
  listen({ host: '127.0.0.1', port, setting: 'COUNTERSIGN_LISTEN', handler, logger });

const deferred = () => {
  let release: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { promise, release };
};

describe('a server', () => {
  it('says what to do when its address is taken', async () => {
    const first = await start((_request, response) => response.end());
    await expect(start(() => undefined, first.port)).rejects.toThrow(
      `127.0.0.1:${first.port} is already in use: end the process that listens there, or choose another address with COUNTERSIGN_LISTEN`,
    );
    await first.close();
  });

  it('says so when its address is not to be had', async () => {
    const there = listen({
      host: '203.0.113.7',
      port: 1,
      setting: 'COUNTERSIGN_LISTEN',
      handler: () => undefined,
      logger,
    });
    await expect(there).rejects.toThrow('203.0.113.7:1 cannot be listened on (EADDRNOTAVAIL)');
  });

  it('cuts connections that take their time with the headers or the body (M11, D16)', async () => {
    const server = await start((_request, response) => response.end());
    const began = performance.now();
    const drip = async (head: string): Promise<{ reply: string; seconds: number }> => {
      const reply = await sendBytes(server.port, head);
      return { reply, seconds: (performance.now() - began) / 1_000 };
    };
    const stuck = await start((request) => request.resume());
    const [headers, body] = await Promise.all([
      drip('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      sendBytes(stuck.port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na').then((reply) => ({
        reply,
        seconds: (performance.now() - began) / 1_000,
      })),
    ]);
    expect(headers.reply).toContain('408 Request Timeout');
    expect(headers.seconds).toBeLessThan(20);
    expect(body.reply).toContain('408 Request Timeout');
    expect(body.seconds).toBeLessThan(25);
    await Promise.all([server.close(), stuck.close()]);
  });

  it.each([
    ['one header of 20 KB', [`X: ${'a'.repeat(20_000)}`]],
    ['a cookie of 100 KB', [`Cookie: ${'a'.repeat(100_000)}`]],
  ])('refuses %s and goes on (T11)', async (_what, headers) => {
    const server = await start((_request, response) => response.end());
    expect((await send(server.port, 'GET /', ['Host: x', ...headers])).status).toBe(431);
    expect((await send(server.port, 'GET /', ['Host: x'])).status).toBe(200);
    await server.close();
  });

  it('refuses a body of two lengths, and a smuggled one', async () => {
    const server = await start((_request, response) => response.end());
    const lengths = ['Host: x', 'Content-Length: 1', 'Content-Length: 2'];
    const both = ['Host: x', 'Content-Length: 5', 'Transfer-Encoding: chunked'];
    expect((await send(server.port, 'POST /', lengths, 'a')).status).toBe(400);
    expect((await send(server.port, 'POST /', both, '0\r\n\r\n')).status).toBe(400);
    await server.close();
  });
});

describe('what is no request', () => {
  /** A server, and what it tells of whoever sends it that. */
  const telling = async (handler: Parameters<typeof listen>[0]['handler']) => {
    const told: string[] = [];
    const onRefused = (reason: string): void => void told.push(reason);
    const options = { host: '127.0.0.1', port: 0, setting: 'COUNTERSIGN_LISTEN', logger, onRefused };
    return { told, server: await listen({ ...options, handler }) };
  };

  it('is never answered in the place of a request before it (T1)', async () => {
    const { told, server } = await telling(() => undefined);
    const waits = 'GET /held HTTP/1.1\r\nHost: x\r\n\r\n';
    expect(await sendBytes(server.port, `${waits}garbage\r\n\r\n`)).toBe('');
    expect(told).toEqual(['http_malformed']);
    await server.close();
  });

  it('is told by whoever reads it where its body breaks off', async () => {
    const { told, server } = await telling((request) => request.resume());
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await sendBytes(server.port, `${head}no length\r\n`)).toMatch(/^HTTP\/1.1 400 /);
    expect(told).toEqual([]);
    await server.close();
  });

  it('is not a connection that was opened and never used', async () => {
    const { told, server } = await telling((_request, response) => response.end());
    expect(await sendBytes(server.port, '')).toMatch(/^(?:$|HTTP\/1.1 408 )/);
    expect(told).toEqual([]);
    await server.close();
  });

  it('is not one that expects what is not done here', async () => {
    const { told, server } = await telling((_request, response) => response.end('answered'));
    expect(await send(server.port, 'GET /', ['Host: x', 'Expect: a-miracle'])).toMatchObject({ status: 200 });
    expect(told).toEqual([]);
    await server.close();
  });
});

describe('closing', () => {
  it('lets what is under way be answered, and ends kept connections at once (D19)', async () => {
    const { promise, release } = deferred();
    const arrived = deferred();
    let underWay = 0;
    const server = await start(async (request, response) => {
      if (request.url === '/slow') {
        underWay += 1;
        if (underWay === 2) arrived.release();
        await promise;
      }
      response.end('answered');
    });
    const agent = new Agent({ keepAlive: true });
    await new Promise<void>((resolve) => {
      get({ port: server.port, host: '127.0.0.1', agent }, (response) =>
        response.resume().on('end', resolve),
      );
    });
    const slow = send(server.port, 'GET /slow', ['Host: x']);
    const kept = sendBytes(server.port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    await arrived.promise;
    const closed = server.close();
    await expect(sendBytes(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).resolves.toBe('');
    release();
    const began = performance.now();
    expect((await slow).body).toContain('answered');
    expect(await kept).toContain('answered');
    expect(await kept).toContain('Connection: close');
    await closed;
    expect(performance.now() - began).toBeLessThan(7_000);
    agent.destroy();
  });

  it('does not wait for ever for what is never answered', async () => {
    const server = await start(() => undefined);
    const arrived = deferred();
    const socket = connect(server.port, '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n', arrived.release),
    );
    const ended = deferred();
    socket.on('error', () => undefined).on('close', ended.release);
    await arrived.promise;
    const began = performance.now();
    await server.close();
    await ended.promise;
    expect(performance.now() - began).toBeLessThan(25_000);
  });
});
