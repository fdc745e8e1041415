/** Each reason for which a request is not let in, met on the wire: told of the network, wherever it was sent. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOOR_REASONS, type DoorReason } from '../../src/reasons/door.ts';
import { send, sendBytes } from '../http/wire.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { expectEvent, lastPosition } from './told-reason.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld({ environment: { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1' } });
});
afterAll(() => world.stop());

/** How often the broker refused for this reason since it started. */
const refused = async (reason: DoorReason): Promise<number> => {
  const metrics = await fetch(`http://127.0.0.1:${world.brokers[0]?.operationsPort}/metrics`);
  const counted = new RegExp(`^countersign_requests_refused_total\\{reason="${reason}"\\} (\\d+)$`, 'm');
  return Number(counted.exec(await metrics.text())?.[1] ?? 0);
};

/** A request line, and headers. */
type Attempt = readonly [string, readonly string[]];

const ATTEMPTS: Readonly<Record<Exclude<DoorReason, 'request_slow'>, (host: string) => Attempt>> = {
  http_malformed: (host) => ['POST /token', [host, 'Content-Length: 5', 'Transfer-Encoding: chunked']],
  headers_too_large: (host) => ['GET /jwks', [host, `X: ${'a'.repeat(20_000)}`]],
  headers_too_many: (host) => ['GET /jwks', [host, ...Array.from({ length: 200 }, (_, i) => `X-${i}: 1`)]],
  target_not_path: (host) => ['GET http://evil.example/jwks', [host]],
  header_not_once: (host) => ['POST /token', [host, 'Authorization: Basic x', 'Authorization: Basic y']],
  transfer_coding: (host) => ['POST /token', [host, 'Transfer-Encoding: gzip, chunked']],
  host_unknown: () => ['GET /approvals', ['Host: evil.example', 'X-Forwarded-For: 203.0.113.7']],
  forwarding_disagrees: (host) => [
    'GET /jwks',
    [host, 'X-Forwarded-For: 203.0.113.7', 'Forwarded: for=198.51.100.1'],
  ],
};

/** A client behind the proxy is told of itself, unless nobody can say which it is. */
const NETWORKS: Partial<Record<DoorReason, string>> = { host_unknown: '203.0.113.0/24' };

describe('what the front door refuses', () => {
  it.each(Object.keys(ATTEMPTS) as (keyof typeof ATTEMPTS)[])('is told: %s (T9, T11)', async (reason) => {
    const after = await lastPosition(world.database);
    const { host, port } = new URL(world.issuer);
    const [request, headers] = ATTEMPTS[reason](`Host: ${host}`);
    expect((await send(Number(port), request, headers)).status).toBe(DOOR_REASONS[reason].client.status);
    await expect.poll(() => lastPosition(world.database)).toBeGreaterThan(after);
    const told = await expectEvent(world.database, reason, after);
    expect(told.network).toBe(NETWORKS[reason] ?? '127.0.0.0/24');
    expect(JSON.stringify(told)).not.toContain('evil');
  });
});

describe('what is no request', () => {
  const HELLO_OF_TLS = Buffer.from('16030100c8010000c40303', 'hex');

  it.each([
    ['TLS where HTTP is spoken', HELLO_OF_TLS, 'http_malformed'],
    ['a request without Host', 'GET /jwks HTTP/1.1\r\nConnection: close\r\n\r\n', 'header_not_once'],
    ['a line end that some proxies take for one', 'GET /jwks HTTP/1.1\nHost: x\n\n', 'http_malformed'],
    ['headers that never end', 'GET /jwks HTTP/1.1\r\nHost: x\r\nX-Slow: ', 'request_slow'],
  ] as const)('is told and answered: %s (T1, T9, D16)', async (_what, bytes, reason) => {
    const before = await refused(reason);
    const [head = '', body = ''] = (await sendBytes(Number(new URL(world.issuer).port), bytes)).split(
      '\r\n\r\n',
    );
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${DOOR_REASONS[reason].client.status} `));
    expect(head).toMatch(/^Cache-Control: no-store$/im);
    expect(JSON.parse(body)).toEqual({ error: 'invalid_request', error_description: expect.any(String) });
    expect(await refused(reason)).toBe(before + 1);
    expect((await expectEvent(world.database, reason, 0)).network).toBe('127.0.0.0/24');
  });
});

it('counts every one of a flood, of which the trail tells two at most', async () => {
  const { port } = new URL(world.issuer);
  const before = await refused('host_unknown');
  const after = await lastPosition(world.database);
  await Promise.all(Array.from({ length: 200 }, () => send(Number(port), 'GET /', ['Host: evil.example'])));
  expect(await refused('host_unknown')).toBe(before + 200);
  expect((await lastPosition(world.database)) - after).toBeLessThanOrEqual(2);
});

it('keeps every promise after all of it', async () => {
  await checkPromises(world.database);
});
