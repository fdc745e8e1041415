import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { portsFrom } from '../../lab/settings.ts';

type Service = {
  readonly ports?: readonly string[];
  readonly network_mode?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, unknown>>;
};
const compose = async (): Promise<Readonly<Record<string, Service>>> =>
  parse(await readFile('docker-compose.yml', 'utf8'), { merge: true }).services;

const { broker, operations: _, entra, demo, apis, agents } = portsFrom(8400);
const PUBLIC_PORTS = [broker, entra, demo, ...Object.values(apis), ...agents.values()];

it('the compose file publishes every port of the lab, on loopback', async () => {
  const { lab } = await compose();
  expect(lab?.ports).toEqual(PUBLIC_PORTS.map((port) => `127.0.0.1:${port}:${port + 10_000}`));
});

it('the proxy passes each of them on, and the first to both brokers', async () => {
  const nginx = await readFile('lab/compose/nginx.conf', 'utf8');
  for (const port of PUBLIC_PORTS.filter((port) => port !== broker)) {
    expect(nginx).toContain(`listen ${port + 10_000}; proxy_pass 127.0.0.1:${port};`);
  }
  const services = await compose();
  for (const name of ['broker-1', 'broker-2']) {
    expect(nginx).toContain(`server ${services[name]?.environment?.COUNTERSIGN_LISTEN};`);
    expect(services[name]?.network_mode).toBe('service:lab');
  }
});

it('every service that another waits for is there', async () => {
  const services = await compose();
  for (const { depends_on = {} } of Object.values(services)) {
    for (const name of Object.keys(depends_on)) expect(Object.keys(services)).toContain(name);
  }
});
