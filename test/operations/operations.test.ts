import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../http/wire.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { type PrivateDatabase, startPrivateDatabase } from '../support/database.ts';

let server: PrivateDatabase;
let world: TestWorld;
beforeAll(async () => {
  server = await startPrivateDatabase();
  world = await startWorld({ environment: { COUNTERSIGN_DATABASE: server.applicationDsn } });
});
afterAll(async () => {
  await world.stop();
  await server.remove();
});

const operations = async (path: string): Promise<Answer> => {
  const response = await fetch(`http://127.0.0.1:${world.brokers[0]?.operationsPort}${path}`);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
};

/** The value of a sample, as its line begins. */
const sample = async (name: string): Promise<number> => {
  const { body } = await operations('/metrics');
  const line = (body as string).split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
};

describe('the operations listener', () => {
  it('says that the process lives and that the broker is ready', async () => {
    expect((await operations('/healthz')).status).toBe(200);
    expect(await operations('/readyz')).toMatchObject({
      status: 200,
      body: {
        status: 'ready',
        checks: [
          { name: 'database', problem: null },
          { name: 'clock', problem: null },
          { name: 'policy', problem: null },
          { name: 'registry', problem: null },
        ],
        notes: [],
      },
    });
    expect((await operations('/token')).status).toBe(404);
  });

  it('says what is wrong within 1.5 s when the database stalls, and is ready again after it', async () => {
    await server.pause();
    const asked = performance.now();
    const answer = await operations('/readyz');
    const milliseconds = performance.now() - asked;
    const alive = await operations('/healthz');
    const metrics = await operations('/metrics');
    await server.resume();
    expect(answer).toMatchObject({
      status: 503,
      body: {
        status: 'not ready',
        checks: [{ name: 'database', problem: 'the database does not answer' }, {}, {}, {}],
      },
    });
    expect(milliseconds).toBeLessThan(10_000);
    expect(alive.status).toBe(200);
    expect(metrics.status).toBe(200);
    expect((await operations('/readyz')).status).toBe(200);
  });

  it('counts exchanges, decisions and what waits under the names that dashboards rely on', async () => {
    const subjectToken = await world.assertion('reporting-agent');
    const before = await sample('countersign_exchange_duration_seconds_count{outcome="pending"}');
    await world.exchange({
      subject_token: subjectToken,
      audience: 'api://reports.prod',
      scope: 'payroll.export',
    });
    expect(await sample('countersign_exchange_duration_seconds_count{outcome="pending"}')).toBe(
      (before || 0) + 1,
    );
    expect(await sample('countersign_decisions_total{decision="needs_approval"}')).toBeGreaterThan(0);
    expect(await sample('countersign_requests_pending')).toBe(1);
    const { body, headers } = await operations('/metrics');
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const name of [
      'countersign_decision_duration_seconds',
      'countersign_issuance_failures_total',
      'countersign_token_uses_total',
      'process_cpu_user_seconds_total',
      'process_resident_memory_bytes',
    ]) {
      expect(body).toContain(`# TYPE ${name} `);
    }
  });

  it('tells nothing to a page of a name that leads to this machine (DNS rebinding)', async () => {
    const port = world.brokers[0]?.operationsPort ?? 0;
    const ask = async (host: string) => (await send(port, 'GET /metrics', [`Host: ${host}`])).status;
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '',
    ])
      expect({ host, status: await ask(host) }).toEqual({ host, status: 421 });
    for (const host of [`127.0.0.1:${port}`, '10.0.0.7', `[::1]:${port}`, 'LocalHost', `localhost:${port}`])
      expect({ host, status: await ask(host) }).toEqual({ host, status: 200 });
  });

  it('only tells: other methods, paths and bodies are refused', async () => {
    const port = world.brokers[0]?.operationsPort ?? 0;
    const ask = (line: string, ...headers: string[]) => send(port, line, ['Host: 10.0.0.7:8401', ...headers]);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
      const refused = await ask(`${method} /metrics`);
      expect(refused.status).toBe(405);
      expect(refused.head).toContain('Allow: GET, HEAD');
    }
    for (const target of ['/', '/metrics/', '//metrics', '/metrics?x', 'http://10.0.0.7:8401/metrics', '*'])
      expect((await ask(`GET ${target}`)).status).toBe(404);
    expect((await ask('GET /metrics', `X: ${'a'.repeat(20_000)}`)).status).toBe(431);
    expect((await ask('HEAD /metrics')).body).toBe('');
    const { status, head } = await ask('GET /readyz', 'Origin: https://evil.example');
    expect(status).toBe(200);
    for (const line of [
      'X-Content-Type-Options: nosniff',
      'X-Frame-Options: DENY',
      'Cache-Control: no-store',
    ])
      expect(head).toContain(line);
    expect(head).not.toMatch(/access-control/i);
  });

  it('asks the database once for all who ask at a time', async () => {
    await server.pause();
    const answers = Promise.all(Array.from({ length: 200 }, () => operations('/readyz')));
    const first = await operations('/readyz');
    await server.resume();
    expect(first.status).toBe(503);
    expect((await answers).map(({ status }) => [200, 503].includes(status))).not.toContain(false);
    expect((await operations('/readyz')).status).toBe(200);
  });

  it('is not reachable through the public listener', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) expect((await world.get(path)).status).toBe(404);
  });
});
