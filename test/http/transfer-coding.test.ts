/** Where a body ends must be the same to a proxy and to the broker, or one request hides in another. */
import Koa, { type Context } from 'koa';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { openFrontDoor, throughFrontDoor } from '../../src/http/front-door.ts';
import { listen } from '../../src/http/server.ts';
import { send, sendBytes } from './wire.ts';

const logger = pino({ level: 'silent' });

/** What a request meets behind the front door. */
let inside: (context: Context) => unknown = () => undefined;

const app = new Koa();
app.use(
  throughFrontDoor(openFrontDoor({ publicUrls: ['https://broker.example'], trustedProxies: [], logger })),
);
app.use((context) => inside(context));
const server = await listen({ host: '127.0.0.1', port: 0, setting: 'NONE', logger, handler: app.callback() });
const { port } = server;
afterAll(server.close);

describe('a body in another transfer coding than chunked', () => {
  it.each([
    ['gzip, chunked', '1.1', ['gzip, chunked']],
    ['identity, chunked', '1.1', ['identity, chunked']],
    ['two headers of it', '1.1', ['gzip', 'chunked']],
    ['chunked, of HTTP/1.0', '1.0', ['chunked']],
  ])('is not read, and nothing after it (RFC 9112 section 6.1): %s', async (_what, version, codings) => {
    const lines = [
      `POST / HTTP/${version}`,
      'Host: broker.example',
      'Connection: keep-alive',
      ...codings.map((coding) => `Transfer-Encoding: ${coding}`),
    ];
    let met = 0;
    inside = () => {
      met += 1;
    };
    const next = 'GET /jwks HTTP/1.1\r\nHost: broker.example\r\nConnection: close\r\n\r\n';
    const received = await sendBytes(port, `${lines.join('\r\n')}\r\n\r\n3\r\nabc\r\n0\r\n\r\n${next}`);
    expect(received.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 501']);
    expect(received).toContain('\r\nConnection: close\r\n');
    expect(met).toBe(0);
  });

  it('is read where it is chunked, however that is written', async () => {
    inside = async (context) => {
      context.body = (await context.req.toArray()).join('');
    };
    const headers = ['Host: broker.example', 'Transfer-Encoding: Chunked'];
    expect((await send(port, 'POST /', headers, '3\r\nabc\r\n0\r\n\r\n')).body).toContain('abc');
  });
});
