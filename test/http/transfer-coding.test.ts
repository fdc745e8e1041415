/** Where a body ends must be the same to a proxy and to the broker, or one request hides in another. */
import type { Context } from 'koa';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { openApplication, openFrontDoor } from '../../src/http/front-door.ts';
import { listen } from '../../src/http/server.ts';
import { send, sendBytes } from './wire.ts';

const logger = pino({ level: 'silent' });

/** What a request meets behind the front door. */
let inside: (context: Context) => unknown = () => undefined;

const app = openApplication(
  openFrontDoor({ publicUrls: ['https://broker.example'], trustedProxies: [], logger }),
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
    ['chunked, in quotes', '1.1', ['"chunked"']],
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

describe('framing that a proxy may read otherwise', () => {
  const CHUNKED = 'Transfer-Encoding: chunked\r\n';
  it.each([
    ['lines that end with LF alone', 'X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['lines that end with CR alone', 'X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a space before the colon', 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
    ['a folded line', 'Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n'],
    ['a vertical tab', 'Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n'],
    ['a length with a sign', 'Content-Length: +3\r\n\r\nabc'],
    ['a length in hexadecimal', 'Content-Length: 0x3\r\n\r\nabc'],
    ['a list of lengths', 'Content-Length: 3, 3\r\n\r\nabc'],
    ['an empty length', 'Content-Length: \r\n\r\n'],
    ['a length beside chunks', `Content-Length: 3\r\n${CHUNKED}\r\n0\r\n\r\n`],
    ['a chunk size with a prefix', `${CHUNKED}\r\n0x3\r\nabc\r\n0\r\n\r\n`],
    ['a negative chunk size', `${CHUNKED}\r\n-1\r\nabc\r\n0\r\n\r\n`],
    ['a chunk size beyond 64 bits', `${CHUNKED}\r\n10000000000000003\r\nabc\r\n0\r\n\r\n`],
    ['a chunk size that ends with LF alone', `${CHUNKED}\r\n3\nabc\r\n0\r\n\r\n`],
    ['a chunk extension with LF in it', `${CHUNKED}\r\n3;a\nb\r\nabc\r\n0\r\n\r\n`],
    ['a chunk that is longer than it says', `${CHUNKED}\r\n3\r\nabcX\r\n0\r\n\r\n`],
  ])('is 400 and the end of its connection: %s', async (_what, framing) => {
    const whole: string[] = [];
    inside = async (context) => {
      await context.req.toArray();
      whole.push(context.path);
    };
    const next = 'GET /behind HTTP/1.1\r\nHost: broker.example\r\n\r\n';
    const received = await sendBytes(port, `POST / HTTP/1.1\r\nHost: broker.example\r\n${framing}${next}`);
    expect(received.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    expect(whole).toEqual([]);
  });
});
