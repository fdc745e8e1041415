/** Each reason for which a request is not let in, met on the wire: told of the network, wherever it was sent. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOOR_REASONS, type DoorReason } from '../../src/reasons/door.ts';
import { send } from '../http/wire.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { expectEvent, lastPosition } from './told-reason.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld({ environment: { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1' } });
});
afterAll(() => world.stop());

const ATTEMPTS: Readonly<Record<DoorReason, (host: string) => readonly [string, readonly string[]]>> = {
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
  it.each(Object.keys(ATTEMPTS) as DoorReason[])('is told: %s (T9, T11)', async (reason) => {
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

it('counts every one of a flood, of which the trail tells two at most', async () => {
  const { port } = new URL(world.issuer);
  const refused = async (): Promise<number> => {
    const metrics = await fetch(`http://127.0.0.1:${world.brokers[0]?.operationsPort}/metrics`);
    const counted = /^countersign_requests_refused_total\{reason="host_unknown"\} (\d+)$/m;
    return Number(counted.exec(await metrics.text())?.[1] ?? -1);
  };
  const before = await refused();
  const after = await lastPosition(world.database);
  await Promise.all(Array.from({ length: 200 }, () => send(Number(port), 'GET /', ['Host: evil.example'])));
  expect(await refused()).toBe(before + 200);
  expect((await lastPosition(world.database)) - after).toBeLessThanOrEqual(2);
});

it('keeps every promise after all of it', async () => {
  await checkPromises(world.database);
});
