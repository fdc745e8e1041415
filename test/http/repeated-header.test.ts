/** Header fields that may come once, as raw bytes: what a library would never send. */
import Koa from 'koa';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { openFrontDoor, throughFrontDoor } from '../../src/http/front-door.ts';
import { listen } from '../../src/http/server.ts';
import { send } from './wire.ts';

const logger = pino({ level: 'silent' });
const app = new Koa();
app.use(
  throughFrontDoor(openFrontDoor({ publicUrls: ['https://broker.example'], trustedProxies: [], logger })),
);
app.use((context) => {
  context.body = { headers: context.headers };
});
const server = await listen({ host: '127.0.0.1', port: 0, setting: 'NONE', logger, handler: app.callback() });
afterAll(() => server.close());

describe('a header that may come once', () => {
  it.each([
    ['Authorization', 'Bearer one', 'Bearer two'],
    ['authorization', 'Bearer one', 'Bearer one'],
    ['Content-Type', 'application/json', 'application/x-www-form-urlencoded'],
    ['Origin', 'https://broker.example', 'https://evil.com'],
    ['Sec-Fetch-Site', 'same-origin', 'cross-site'],
  ])('is refused twice, whatever it says: %s: %s, %s (RFC 9110 section 5.3)', async (name, first, second) => {
    const reply = await send(server.port, 'GET /jwks', [
      'Host: broker.example',
      `${name}: ${first}`,
      `${name}: ${second}`,
    ]);
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.body)).toMatchObject({ error: 'invalid_request' });
    expect(JSON.parse(reply.body).error_description.toLowerCase()).toBe(
      `send one ${name} header`.toLowerCase(),
    );
    expect(reply.head + reply.body).not.toContain('evil');
  });

  it('is refused by its length twice', async () => {
    const reply = await send(
      server.port,
      'POST /token',
      ['Host: broker.example', 'Content-Length: 1', 'Content-Length: 2'],
      'ab',
    );
    expect(reply.status).toBe(400);
  });

  it('is none that is a list: preferences may come in several (RFC 7240 section 2)', async () => {
    const reply = await send(server.port, 'GET /jwks', [
      'Host: broker.example',
      'Prefer: respond-async',
      'Prefer: wait=3',
    ]);
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.body).headers.prefer).toBe('respond-async, wait=3');
  });
});
