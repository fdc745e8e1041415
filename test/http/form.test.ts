import { connect } from 'node:net';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { readForm } from '../../src/http/form.ts';
import { listen } from '../../src/http/server.ts';
import { answerJson, post, pour, type Reply, send, sendBytes } from './wire.ts';

const FORM = 'application/x-www-form-urlencoded';

/** Answers with what was read, or with the refusal. */
const server = await listen({
  host: '127.0.0.1',
  port: 0,
  setting: 'NONE',
  logger: pino({ level: 'silent' }),
  handler: async (request, response) => {
    const form = await readForm(request);
    if ('error' in form) return answerJson(response, form, form.status, form.close);
    answerJson(response, {
      scope: form.get('scope'),
      justification: form.get('justification'),
      audience: form.all('audience'),
    });
  },
});
afterAll(() => server.close());

const { port } = server;
const postForm = (body: string, type: string | null = FORM, path = '/token'): Promise<Reply> =>
  post(port, path, type, body);
const read = async (body: string): Promise<unknown> => JSON.parse((await postForm(body)).body);

describe('a form', () => {
  it('is read as it was meant', async () => {
    expect(await read('scope=a+b%20c&justification=%C3%A9+%F0%9F%92%A1%26%3D&x=1')).toEqual({
      scope: 'a b c',
      justification: 'é 💡&=',
      audience: [],
    });
  });

  it('may have stray ampersands, and values with an equals sign', async () => {
    expect(await read('&scope=a=b&&')).toMatchObject({ scope: 'a=b' });
  });

  it('counts an empty parameter as absent (RFC 6749 section 3.2)', async () => {
    expect(await read('scope=&justification&audience=&audience=api%3A%2F%2Fa')).toEqual({
      audience: ['api://a'],
    });
  });

  it('may name audience and resource more than once, for the caller to judge (T4)', async () => {
    expect(await read('audience=a&audience=b')).toEqual({ audience: ['a', 'b'] });
  });

  it('may be empty', async () => {
    expect(await read('')).toEqual({ audience: [] });
  });

  it.each([
    'application/x-www-form-urlencoded',
    'Application/X-WWW-Form-URLEncoded',
    'application/x-www-form-urlencoded;charset=UTF-8',
    'application/x-www-form-urlencoded; charset="utf-8"',
  ])('may come as %s', async (type) => {
    expect((await postForm('scope=a', type)).status).toBe(200);
  });

  it.each([
    ['JSON (T3)', 'application/json', '{"scope":"a"}'],
    ['multipart (T3)', 'multipart/form-data; boundary=x', '--x--'],
    ['text', 'text/plain', 'scope=a'],
    ['another charset (T13)', `${FORM}; charset=utf-16`, 'scope=a'],
    ['two charsets', `${FORM}; charset=utf-8; charset=utf-16`, 'scope=a'],
    ['a longer name', `${FORM}x`, 'scope=a'],
    ['no type', null, 'scope=a'],
  ])('is refused as %s', async (_what, type, body) => {
    const reply = await postForm(body, type);
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.body)).toMatchObject({ error: 'invalid_request' });
  });

  it.each([
    ['scope twice (T4)', 'scope=a&scope=a'],
    ['subject_token twice (T4)', 'subject_token=a&subject_token=b'],
    ['client_id twice, once empty (T4)', 'client_id=&client_id=a'],
    ['a name twice, once encoded', 'scope=a&sco%70e=b'],
    ['NUL (T13)', 'scope=a%00b'],
    ['NUL in a name (T13)', 'sc%00ope=a'],
    ['NUL as it is (T13)', 'scope=a\0b'],
    ['bytes that are no UTF-8 (T13)', 'scope=%ff%fe'],
    ['bytes that are no UTF-8, as they are (T13)', 'scope=\xff\xfe'],
    ['an overlong encoding', 'scope=%c0%af'],
    ['a lone surrogate (T13)', 'scope=%ED%A0%80'],
    ['half a percent sign', 'scope=100%'],
    ['a percent sign of nothing', 'scope=%zz'],
    ['a hundred and one parameters', Array.from({ length: 101 }, (_, i) => `p${i}=1`).join('&')],
    ['fifty thousand ampersands', '&'.repeat(50_000)],
  ])('is refused with %s', async (_what, body) => {
    const reply = await post(port, '/token', FORM, Buffer.from(body, 'latin1'));
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.body)).toMatchObject({ error: 'invalid_request' });
  });

  it('may have a hundred parameters', async () => {
    const body = Array.from({ length: 100 }, (_, i) => `p${i}=1`).join('&');
    expect((await postForm(body)).status).toBe(200);
  });

  it.each(['subject_token=a', 'x=1&grant%5Ftype=b', 'client_id', 'token=t'])(
    'is refused with a token parameter in the address: %s (T2)',
    async (query) => {
      const reply = await postForm('scope=a', FORM, `/token?${query}`);
      expect(reply.status).toBe(400);
      expect(reply.body).not.toContain('grant');
    },
  );

  it('may be sent to an address with a query of its own', async () => {
    expect((await postForm('scope=a', FORM, '/token?tenant=1')).status).toBe(200);
  });

  it('is refused compressed', async () => {
    const headers = ['Host: x', `Content-Type: ${FORM}`, 'Content-Encoding: gzip', 'Content-Length: 0'];
    expect((await send(port, 'POST /token', headers)).status).toBe(400);
  });
});

describe('a body that is too large', () => {
  it('begins at 56 KiB and one byte (T7)', async () => {
    expect((await postForm(`scope=${'a'.repeat(56 * 1_024 - 6)}`)).status).toBe(200);
    expect((await postForm(`scope=${'a'.repeat(56 * 1_024 - 5)}`)).status).toBe(413);
  });

  it.each([57 * 1_024, 1_024 * 1_024, 8 * 1_024 * 1_024])(
    'of %d bytes is answered 413, and the connection closed (T7)',
    async (size) => {
      const head = `POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: ${size}\r\n\r\n`;
      const reply = await sendBytes(port, [head, Buffer.alloc(size, 0x61)]);
      expect(reply).toContain('HTTP/1.1 413 ');
      expect(reply.toLowerCase()).toContain('connection: close');
    },
  );

  it('is told by what arrives, not by what is announced: a chunked one of 57 KiB (T7)', async () => {
    const chunk = `400\r\n${'a'.repeat(0x400)}\r\n`;
    const headers = ['Host: x', `Content-Type: ${FORM}`, 'Transfer-Encoding: chunked'];
    const status = async (kibibytes: number): Promise<number> =>
      (await send(port, 'POST /token', headers, `${chunk.repeat(kibibytes)}0\r\n\r\n`)).status;
    expect(await status(56)).toBe(200);
    expect(await status(57)).toBe(413);
  });

  it('is told by what arrives, not by what is announced: an endless chunked one (T7)', async () => {
    const head = `POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const received = await pour(port, head, `4000\r\n${'a'.repeat(0x4000)}\r\n`);
    expect(received).toContain('HTTP/1.1 413 ');
  });

  it('that is announced but held back is refused without waiting for it', async () => {
    const head = `POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: 99999999\r\n\r\n`;
    expect(await sendBytes(port, head)).toContain('HTTP/1.1 413 ');
  });
});

it('a sender that goes away harms nobody', async () => {
  const head = `POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: 100\r\n\r\nscope=a`;
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(head, () => socket.destroy()));
    socket.on('close', () => resolve());
  });
  expect((await postForm('scope=a')).status).toBe(200);
});
