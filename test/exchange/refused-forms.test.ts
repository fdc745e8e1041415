/**
 * Each reason for which something is no exchange by its form, met on the wire: refused before it is read any further,
 * and told. The table of attempts is typed by the reasons.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FORM_REASONS, type FormReason } from '../../src/reasons/form.ts';
import { startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { expectEvent, lastPosition } from './told-reason.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const GRANT = `${new URLSearchParams({ grant_type: TOKEN_EXCHANGE })}`;
const MANY = Array.from({ length: 101 }, (_, index) => `p${index}=1`).join('&');

type Sent = {
  readonly method?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

const ATTEMPTS: Readonly<Record<Exclude<FormReason, 'body_incomplete'>, Sent>> = {
  method_not_post: { method: 'PUT' },
  body_compressed: { headers: { 'content-encoding': 'gzip' } },
  body_too_large: { body: `${GRANT}&scope=${'a'.repeat(57 * 1_024)}` },
  content_type: { headers: { 'content-type': 'application/json' }, body: '{}' },
  parameter_in_address: { query: '?subject_token=x' },
  parameter_repeated: { body: `${GRANT}&scope=a&scope=b` },
  parameters_too_many: { body: MANY },
  form_encoding: { body: `${GRANT}&scope=%ff` },
  grant_type_missing: { body: 'scope=a' },
  grant_type_unsupported: { body: 'grant_type=client_credentials' },
};

const NETWORK = '127.0.0.0/24';
const reasons = Object.keys(ATTEMPTS) as (keyof typeof ATTEMPTS)[];
/** `/revoke` knows no grants. */
const ofForms = reasons.filter((reason) => !reason.startsWith('grant_type_'));

const send = (path: string, { method = 'POST', query = '', headers, body = GRANT }: Sent) =>
  fetch(`${world.issuer}${path}${query}`, {
    method,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  });

describe.each([
  ['/token', reasons],
  ['/revoke', ofForms],
])('what is no form for %s', (path, tried) => {
  it.each(tried)('is refused and told: %s (T1 to T7, T13)', async (reason) => {
    const after = await lastPosition(world.database);
    const response = await send(path, ATTEMPTS[reason]);
    const { status, error } = FORM_REASONS[reason].client;
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error });
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('allow')).toBe(status === 405 ? 'POST' : null);
    const told = await expectEvent(world.database, reason, after);
    expect([told.network, told.endpoint]).toEqual([NETWORK, path === '/token' ? undefined : path]);
  });
});

it('a body that never comes whole is told, though nobody is there to be answered', async () => {
  const after = await lastPosition(world.database);
  const { host, port } = new URL(world.issuer);
  const lines = ['POST /token HTTP/1.1', `Host: ${host}`, 'Content-Type: application/x-www-form-urlencoded'];
  const half = `${[...lines, 'Content-Length: 100'].join('\r\n')}\r\n\r\n${GRANT}`;
  connect(Number(port), '127.0.0.1').end(half);
  await expect.poll(() => lastPosition(world.database)).toBeGreaterThan(after);
  expect(await expectEvent(world.database, 'body_incomplete', after)).toMatchObject({ network: NETWORK });
});

it('a flood of one kind is two events at most, and counted', async () => {
  const after = await lastPosition(world.database);
  await Promise.all(
    Array.from({ length: 200 }, () => send('/token', { query: '?token=x', method: 'DELETE' })),
  );
  expect((await lastPosition(world.database)) - after).toBeLessThanOrEqual(2);
  const metrics = await fetch(`http://127.0.0.1:${world.brokers[0]?.operationsPort}/metrics`);
  expect(await metrics.text()).toMatch(
    /countersign_exchange_duration_seconds_count\{outcome="method_not_post"\} 20[01]/,
  );
});

it('keeps every promise after all of it', async () => {
  await checkPromises(world.database);
});
