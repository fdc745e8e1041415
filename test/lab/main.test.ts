import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeBrokerFiles } from '../../lab/broker-files.ts';
import { DirectoryTaken, lockDirectory } from '../../lab/directory-lock.ts';
import { takenPorts } from '../../lab/free-ports.ts';
import { SCENARIOS } from '../../lab/scenarios.ts';
import { parseSettings, portsFrom } from '../../lab/settings.ts';
import { worldFile } from '../../lab/world-file.ts';
import { parseTrustedTenants } from '../../src/identity/trusted-tenants.ts';
import { readRegistry } from '../../src/registry/registry-file.ts';
import { startTestEntra, type TestEntra } from './entra-fixture.ts';

describe('the settings of a lab', () => {
  it('are a directory below the present one and ports from 8400 unless told otherwise', () => {
    expect(parseSettings({})).toEqual({
      directory: join(process.cwd(), '.lab'),
      portBase: 8400,
      brokerUrl: null,
    });
    expect(
      parseSettings({ LAB_DIR: '/tmp/x', LAB_PORT_BASE: '9000', LAB_BROKER_URL: 'http://broker:8400' }),
    ).toEqual({
      directory: '/tmp/x',
      portBase: 9000,
      brokerUrl: 'http://broker:8400',
    });
  });

  it.each([
    [{ LAB_PORT_BASE: 'many' }, 'LAB_PORT_BASE'],
    [{ LAB_PORT_BASE: '80' }, 'LAB_PORT_BASE'],
    [{ LAB_PORT_BASE: '65530' }, 'LAB_PORT_BASE'],
    [{ LAB_BROKER_URL: 'broker:8400' }, 'LAB_BROKER_URL'],
    [{ LAB_BROKER_URL: 'http://broker/' }, 'LAB_BROKER_URL'],
  ])('are refused with what to do: %j', (environment, name) => {
    expect(() => parseSettings(environment)).toThrow(name);
  });
});

describe('a directory', () => {
  it('is one lab\u2019s at a time, and free again after it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-lab-'));
    const unlock = await lockDirectory(directory);
    await expect(lockDirectory(directory)).rejects.toThrow(DirectoryTaken);
    await unlock();
    const again = await lockDirectory(directory);
    await again();
    await rm(directory, { recursive: true });
  });

  it('is free when its lab was killed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-lab-'));
    const script = `require('node:net').createServer().listen(${JSON.stringify(join(directory, 'lab.sock'))}, () => console.log('held'))`;
    const holder = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    await expect(lockDirectory(directory)).rejects.toThrow(DirectoryTaken);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect((await stat(join(directory, 'lab.sock'))).isSocket()).toBe(true);
    const unlock = await lockDirectory(directory);
    await unlock();
    await rm(directory, { recursive: true });
  });
});

it('ends the broker in good order when the lab is killed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-lab-'));
  const broker = `
    process.on('SIGTERM', () => { require('node:fs').writeFileSync('ended', 'SIGTERM'); process.exit(); });
    setInterval(() => {}, 1000);
    console.log('started');`;
  const lab = `
    const { spawn } = require('node:child_process');
    const args = ['--import', ${JSON.stringify(resolve('lab/end-with-parent.ts'))}, '-e', ${JSON.stringify(broker)}];
    spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });`;
  const parent = spawn(process.execPath, ['-e', lab], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(parent.stdout, 'data');
  parent.kill('SIGKILL');
  // The pipe ends when the last process that holds it has ended.
  await once(parent.stdout.resume(), 'end');
  expect(await readFile(join(directory, 'ended'), 'utf8')).toBe('SIGTERM');
  await rm(directory, { recursive: true });
});

it('names every port that is taken', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const settings = { directory: '/', portBase: port, brokerUrl: null };
  const ports = { ...portsFrom(port), operations: port, demo: port };
  // The others may be anybody's.
  const taken = async (given: { readonly brokerUrl: string | null }): Promise<string[]> =>
    (await takenPorts(ports, { ...settings, ...given })).filter((line) => line.startsWith(`${port} `));
  expect(await taken(settings)).toEqual([`${port} (broker)`, `${port} (operations)`, `${port} (demo page)`]);
  expect(await taken({ brokerUrl: 'http://broker' })).toEqual([`${port} (demo page)`]);
  server.close();
});

describe('what the lab writes', () => {
  let test: TestEntra;
  let written: Awaited<ReturnType<typeof writeBrokerFiles>>;
  const ports = portsFrom(9000);
  beforeAll(async () => {
    test = await startTestEntra();
    const settings = { directory: test.directory, portBase: 9000, brokerUrl: null };
    written = await writeBrokerFiles(settings, { ...test, ports });
  });
  afterAll(() => test.stop());
  const path = (name: string): string => join(test.directory, name);

  it('is a registry that the broker reads: each agent at its API, each API with its own workload', async () => {
    const registry = await readRegistry([path('registry.yaml')]);
    expect(registry.agents.map(({ id }) => id)).toEqual(['ops-agent', 'reporting-agent', 'support-agent']);
    expect(registry.resources).toHaveLength(10);
    expect(new Set(registry.resources.map(({ workload }) => workload?.object)).size).toBe(10);
    for (const { agent, audience, scope } of SCENARIOS) {
      const ceiling = registry.agents.find(({ id }) => id === agent)?.access;
      expect(ceiling?.find((entry) => entry.audience === audience)?.scopes).toContain(scope);
    }
  });

  it('is a list of tenants that the broker reads', async () => {
    const tenants = parseTrustedTenants(await readFile(path('entra.yaml'), 'utf8'));
    expect(tenants).toMatchObject([{ tenantId: test.entra.tenant, authority: test.entra.authority }]);
  });

  it('keeps its secrets from others, and its key from one start to the next', async () => {
    for (const name of ['broker.env', 'key-encryption-key']) {
      expect((await stat(path(name))).mode & 0o777, name).toBe(0o600);
    }
    const key = await readFile(path('key-encryption-key'), 'utf8');
    expect(Buffer.from(key, 'base64')).toHaveLength(32);
    await writeFile(path('registry.yaml'), 'old');
    const settings = { directory: test.directory, portBase: 9000, brokerUrl: 'http://broker.example' };
    const again = await writeBrokerFiles(settings, { ...test, ports });
    expect(await readFile(path('key-encryption-key'), 'utf8')).toBe(key);
    expect(await readFile(path('registry.yaml'), 'utf8')).not.toBe('old');
    expect(again.issuer).toBe('http://broker.example');
  });

  it('tells whoever reads world.json where everything is', () => {
    const file = worldFile(written, { ...test, ports });
    expect(file).toMatchObject({
      issuer: 'http://127.0.0.1:9000',
      token_endpoint: 'http://127.0.0.1:9000/token',
      environment: path('broker.env'),
      entra: {
        scope: 'api://countersign/.default',
        tenant: test.entra.tenant,
        ca_file: path('entra-ca.pem'),
      },
      demo_url: 'http://127.0.0.1:9020',
    });
    expect(file.agents.map(({ id, url }) => [id, url])).toEqual([
      ['support-agent', 'http://127.0.0.1:9031'],
      ['reporting-agent', 'http://127.0.0.1:9032'],
      ['ops-agent', 'http://127.0.0.1:9033'],
    ]);
    expect(file.apis.find(({ audience }) => audience === 'api://reports.test')).toMatchObject({
      environment: 'test',
      url: 'http://127.0.0.1:9022/test',
      scopes: ['reports.read', 'figures.follow', 'payroll.export'],
      calls: [
        { scope: 'reports.read', method: 'GET', path: '/reports' },
        { scope: 'figures.follow', method: 'GET', path: '/figures' },
        { scope: 'payroll.export', method: 'POST', path: '/payroll/exports' },
      ],
    });
    for (const { agent, audience } of file.scenarios) {
      expect(file.agents.map(({ id }) => id)).toContain(agent);
      expect(file.apis.map((api) => api.audience)).toContain(audience);
    }
    const roles = file.people.map((person) => person.roles);
    const owners = file.agents.flatMap((agent) => agent.owners.map(({ object }) => object));
    const approvers = file.people.filter((person) => person.roles.includes('Approver'));
    expect(approvers.some(({ object_id }) => !owners.includes(object_id))).toBe(true);
    expect(roles).toContainEqual([]);
    expect(file.tools.some((tool) => tool.roles.includes('Auditor'))).toBe(true);
  });
});
