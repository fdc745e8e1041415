import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { readJson } from '../../src/http/json.ts';
import { listen } from '../../src/http/server.ts';
import { answerJson, post } from './wire.ts';

const server = await listen({
  host: '127.0.0.1',
  port: 0,
  setting: 'NONE',
  logger: pino({ level: 'silent' }),
  handler: async (request, response) => {
    const read = await readJson(request);
    if ('error' in read) answerJson(response, read, read.status, read.close);
    else answerJson(response, read);
  },
});
afterAll(() => server.close());

const postJson = (body: string, type = 'application/json') => post(server.port, '/token-use', type, body);

describe('a JSON body', () => {
  it.each(['application/json', 'Application/JSON; charset=utf-8'])(
    'is read as it was meant, sent as %s',
    async (type) => {
      const reply = await postJson('[{"jti":"a","count":1}]', type);
      expect(JSON.parse(reply.body)).toEqual({ value: [{ jti: 'a', count: 1 }] });
    },
  );

  it.each([
    ['another type', '[]', 'application/x-www-form-urlencoded'],
    ['another charset', '[]', 'application/json; charset=utf-16'],
    ['nothing', '', 'application/json'],
    ['no JSON', '{', 'application/json'],
    ['a member named twice', '{"a":1,"a":2}', 'application/json'],
    ['NUL in a text (T13)', '["\\u0000"]', 'application/json'],
    ['a lone surrogate (T13)', '["\\udfff"]', 'application/json'],
    ['a hundred thousand arrays (T14)', '['.repeat(100_000), 'application/json'],
  ])('is refused as %s', async (_what, body, type) => {
    const reply = await postJson(body, type);
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.body)).toMatchObject({ error: 'invalid_request' });
  });

  it('is refused with bytes that are no UTF-8', async () => {
    const body = Buffer.from('["\xff"]', 'latin1');
    expect((await post(server.port, '/token-use', 'application/json', body)).status).toBe(400);
  });

  it('may have 256 KiB, not more', async () => {
    const filled = (size: number): string => `["${'a'.repeat(size - 4)}"]`;
    expect((await postJson(filled(256 * 1_024))).status).toBe(200);
    expect((await postJson(filled(256 * 1_024 + 1))).status).toBe(413);
  });
});
