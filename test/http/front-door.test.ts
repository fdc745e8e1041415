import Koa, { type Context } from 'koa';
import { pino } from 'pino';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { openFrontDoor, throughFrontDoor } from '../../src/http/front-door.ts';
import { type Listening, listen } from '../../src/http/server.ts';
import { KeysUnavailable } from '../../src/identity/keys-unavailable.ts';
import { type Reply, send, sendBytes } from './wire.ts';

const logged: string[] = [];
const logger = pino({ level: 'info' }, { write: (line) => void logged.push(line) });
const servers: Listening[] = [];

/** What the next request meets behind the front door. */
let inside: (context: Context) => unknown = () => undefined;

const start = async (
  publicUrls: readonly string[],
  trustedProxies: readonly string[] = [],
): Promise<number> => {
  const app = new Koa();
  app.proxy = true;
  app.use(throughFrontDoor(openFrontDoor({ publicUrls, trustedProxies, logger })));
  app.use((context) => inside(context));
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    setting: 'NONE',
    logger,
    handler: app.callback(),
  });
  servers.push(server);
  return server.port;
};

const port = await start(['https://broker.example', 'https://console.example:8443/']);
const proxied = await start(['https://broker.example'], ['127.0.0.0/8']);
const plain = await start(['http://127.0.0.1:8400']);
afterAll(() => Promise.all(servers.map((server) => server.close())));

const whoAmI = (context: Context): void => {
  const { href, host, protocol, secure, ip } = context;
  context.body = {
    href,
    host,
    protocol,
    secure,
    ip,
    address: context.state.clientAddress,
    headers: context.headers,
  };
};

beforeEach(() => {
  logged.length = 0;
  inside = whoAmI;
});

const withHost = (host: string, target = '/jwks', at = port): Promise<Reply> =>
  send(at, `GET ${target}`, [`Host: ${host}`]);

describe('the Host', () => {
  it.each(['broker.example', 'Broker.Example', 'console.example:8443'])('may be %s', async (host) => {
    const reply = await withHost(host);
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.body).href).toBe(`https://${host.toLowerCase()}/jwks`);
  });

  it.each([
    'evil.com',
    'good@evil',
    'broker.example@evil.com',
    'broker.example.evil.com',
    'broker.example:80',
    'broker.example.',
    'console.example',
    'broker.example, evil.com',
    '127.0.0.1',
  ])('is refused when it is %s, and not repeated (T9, M1)', async (host) => {
    const reply = await withHost(host);
    expect(reply.status).toBe(421);
    expect(reply.head + reply.body).not.toContain('evil');
  });

  it('is refused twice, and missing (T9)', async () => {
    const twice = await send(port, 'GET /jwks', ['Host: broker.example', 'Host: evil.com']);
    const missing = await sendBytes(port, 'GET /jwks HTTP/1.0\r\n\r\n');
    expect(twice.status).toBe(400);
    expect(missing).toContain('HTTP/1.1 400 ');
  });

  it.each(['http://evil.com/jwks', 'https://broker.example/jwks', '//evil.com/jwks', '*', '/jwks#x'])(
    'is not replaced by a target such as %s (T9)',
    async (target) => {
      const reply = await withHost('broker.example', target);
      expect(reply.status).toBe(400);
      expect(reply.head + reply.body).not.toContain('evil');
    },
  );
});

describe('forwarding headers', () => {
  const claims = [
    'Host: broker.example',
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-Host: evil.com',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Uri: /evil',
    'Forwarded: for=6.6.6.6;host=evil.com;proto=http',
  ];

  it('of a stranger change nothing, even where a framework is told to trust them (T10)', async () => {
    const { body } = await send(port, 'GET /jwks', claims);
    expect(body).not.toMatch(/evil|6\.6\.6\.6/);
    expect(JSON.parse(body)).toMatchObject({
      href: 'https://broker.example/jwks',
      secure: true,
      ip: '127.0.0.1',
      address: '127.0.0.1',
    });
  });

  it('of a trusted proxy that name two clients are refused: one of them is the sender’s own', async () => {
    const two = ['Host: broker.example', 'X-Forwarded-For: 6.6.6.6', 'Forwarded: for=1.2.3.4'];
    const reply = await send(proxied, 'GET /jwks', two);
    expect(reply.status).toBe(400);
    expect(reply.body).toContain('Forwarded and X-Forwarded-For name different clients');
    expect((await send(port, 'GET /jwks', two)).status).toBe(200);
  });

  it('of a trusted proxy tell the client, never host or scheme', async () => {
    const { body } = await send(proxied, 'GET /jwks', claims);
    expect(body).not.toContain('evil');
    expect(JSON.parse(body)).toMatchObject({
      href: 'https://broker.example/jwks',
      ip: '6.6.6.6',
      address: '6.6.6.6',
    });
  });
});

describe('an answer', () => {
  it('carries the security headers, and HSTS on https', async () => {
    const { head } = await withHost('broker.example');
    for (const line of [
      'Cache-Control: no-store',
      "Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'Cross-Origin-Opener-Policy: same-origin',
      'Cross-Origin-Resource-Policy: same-origin',
      'Referrer-Policy: same-origin',
      'X-Content-Type-Options: nosniff',
      'X-Frame-Options: DENY',
      'Strict-Transport-Security: max-age=63072000',
    ]) {
      expect(head).toContain(line);
    }
    expect(head).not.toContain('Access-Control');
    expect((await withHost('127.0.0.1:8400', '/', plain)).head).not.toContain('Strict-Transport');
  });

  it('that refuses carries them too', async () => {
    expect((await withHost('evil.com')).head).toContain('X-Content-Type-Options: nosniff');
  });

  it('may overrule them', async () => {
    inside = (context) => {
      context.set('Cache-Control', 'public, max-age=300');
      context.body = '';
    };
    expect((await withHost('broker.example')).head).toContain('Cache-Control: public, max-age=300');
  });
});

describe('an error inside', () => {
  const SECRET = 'postgres://user:secret@db';

  it('is a server_error outside, its cause in the log only (I7)', async () => {
    inside = (context) => {
      context.set('Set-Cookie', 'half=done');
      context.set('ETag', '"x"');
      throw new Error('outer', { cause: new Error(SECRET) });
    };
    const reply = await send(port, 'GET /x', ['Host: broker.example', 'Accept: text/html']);
    expect(reply.status).toBe(500);
    expect(JSON.parse(reply.body)).toMatchObject({ error: 'server_error' });
    expect(reply.head).toContain('application/json');
    expect(reply.head).toContain('Cache-Control: no-store');
    expect(reply.head + reply.body).not.toMatch(/secret|outer|half=done|ETag/);
    expect(logged.join()).toContain(SECRET);
  });

  it.each([
    ['of keys', () => new KeysUnavailable('the issuer', 7), '7'],
    [
      'of anything that says when to try again',
      () => Object.assign(new Error(SECRET), { retryAfterSeconds: 0.2 }),
      '1',
    ],
  ])('that is an outage %s is 503 with Retry-After', async (_what, thrown, seconds) => {
    inside = () => {
      throw thrown();
    };
    const reply = await withHost('broker.example');
    expect(reply.status).toBe(503);
    expect(reply.head).toContain(`Retry-After: ${seconds}`);
    expect(JSON.parse(reply.body)).toMatchObject({ error: 'temporarily_unavailable' });
    expect(reply.body).not.toContain('secret');
  });

  it('that the sender caused keeps its status, not its words', async () => {
    inside = (context) => context.throw(415, 'these words');
    const reply = await withHost('broker.example');
    expect(reply.status).toBe(415);
    expect(reply.body).not.toContain('these words');
    expect(logged).toEqual([]);
  });

  it('is a server_error though it carries a status, unless meant for the sender', async () => {
    inside = () => {
      throw Object.assign(new Error('of an upstream service'), { status: 403, expose: false });
    };
    expect((await withHost('broker.example')).status).toBe(500);
  });

  it('that is no Error at all is a server_error too', async () => {
    inside = () => {
      throw 'a string';
    };
    expect((await withHost('broker.example')).status).toBe(500);
  });

  it('in the middle of an answer ends the connection', async () => {
    inside = async (context) => {
      context.respond = false;
      context.res.writeHead(200, { 'content-length': '100' });
      context.res.write('half');
      throw new Error('lost');
    };
    expect((await withHost('broker.example')).body).not.toContain('server_error');
    expect(logged.join()).toContain('failed while answering');
  });
});

it('refuses a request with more than a hundred headers (T11)', async () => {
  const headers = Array.from({ length: 200 }, (_, i) => `X-${i}: 1`);
  expect((await send(port, 'GET /', ['Host: broker.example', ...headers])).status).toBe(431);
});
