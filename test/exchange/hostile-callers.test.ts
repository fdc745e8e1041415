/** What strangers and agents send to get around the token endpoint or to break it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

const complete = async (): Promise<Record<string, string>> => ({
  grant_type: TOKEN_EXCHANGE,
  subject_token_type: JWT_TYPE,
  subject_token: await world.assertion('support-agent'),
  ...READ,
});

/** The longest body that the trail has of an agent's refused requests, bytes. */
const longestRefusal = async (): Promise<number> => {
  const { rows } = await sql<{ longest: number }>`
    select max(length(body)) as longest from audit_events where name = 'request.refused'`.execute(
    world.database.db,
  );
  return rows[0]?.longest ?? 0;
};

describe('text that is none', () => {
  it.each([
    'subject_token',
    'subject_token_type',
    'requested_token_type',
    'audience',
    'resource',
    'scope',
    'request_id',
    'justification',
    'requested_expires_in',
    'authorization_details',
    'client_id',
    'grant_type',
  ])('is refused in %s, and is not repeated', async (name) => {
    const { [name]: _replaced, ...others } = await complete();
    for (const text of ['%00', 'canary%00', 'canary%ff%fe', '%ed%a0%80', 'canary%', '%u0041']) {
      const { status, body } = await world.post('/token', `${new URLSearchParams(others)}&${name}=${text}`);
      expect({ text, status, error: body.error }).toEqual({ text, status: 400, error: 'invalid_request' });
      expect(JSON.stringify(body)).not.toContain('canary');
    }
  });

  it.each([
    ['a lone surrogate', '[{"type":"\\ud800"}]'],
    ['NUL', '[{"type":"\\u0000","\\u0000":"\\u0000"}]'],
    ['a prototype', '[{"type":"x","__proto__":{"type":"y"}}]'],
    ['a number beyond numbers', '[{"type":"x","a":1e999}]'],
    ['depth', `[{"type":"x","a":${'['.repeat(5_000)}${']'.repeat(5_000)}}]`],
  ])('is refused in authorization details: %s', async (_what, authorization_details) => {
    const { status, body } = await world.exchange({ ...(await complete()), authorization_details });
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_authorization_details' });
  });
});

describe('the trail of refused requests', () => {
  it('takes an audience that it cuts within a character', async () => {
    const audience = `${'a'.repeat(199)}\u{1f600}`;
    const { status, body } = await world.exchange({ ...(await complete()), audience });
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_target' });
    expect(await world.trace(body.request_id)).toContain('request.refused');
  });

  it('is not filled by an agent with scopes of tens of kilobytes', async () => {
    const { body } = await world.exchange({ ...(await complete()), scope: 'x'.repeat(50_000) });
    expect(body.error).toBe('invalid_scope');
    expect(await longestRefusal()).toBeLessThan(8_000);
  });
});

describe('parameters in the address', () => {
  it.each(['subject_token=x', 'subject%5ftoken=x', 'a?b&subject_token=x'])(
    'are refused however they are spelled: %s',
    async (query) => {
      const { status, body } = await world.post(
        `/token?${query}`,
        `${new URLSearchParams(await complete())}`,
      );
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
    },
  );
});

describe('a page of another origin', () => {
  it.each([
    ['a token', {}],
    ['a refusal of the exchange', { audience: 'api://nowhere' }],
    ['a refusal of the protocol library', { grant_type: 'password' }],
  ])('may not read %s', async (_what, changes) => {
    const { headers } = await world.exchange(
      { ...(await complete()), ...changes },
      { headers: { origin: 'https://evil.example' } },
    );
    expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });
});

describe('a report of uses that does not end', () => {
  it('is refused, and its connection is closed', async () => {
    const socket = connect(world.brokers[0]?.port ?? 0, '127.0.0.1');
    const closed = once(socket, 'close');
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (data) => {
      answer += data;
    });
    const assertion = await world.assertion('api://knowledge.prod');
    const head = [
      'POST /token-use HTTP/1.1',
      `Host: ${new URL(world.issuer).host}`,
      `Authorization: Bearer ${assertion}`,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
    ];
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    socket.write(`${head.join('\r\n')}\r\n\r\n${chunk.repeat(40)}`);
    await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
  });
});
