/** The lab as a process, with a stand-in where its broker would be: what starts, what is told, what ends it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import Koa from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../../lab/agents/run.ts';
import { takenPorts } from '../../lab/free-ports.ts';
import { portsFrom } from '../../lab/settings.ts';
import { readText, serve, type WebServer } from '../../lab/web-server.ts';
import type { WorldFile } from '../../lab/world-file.ts';
import { createLocalFeed } from '../resource-server/local-feed.ts';
import { createSigningKey } from '../resource-server/local-issuer.ts';

type Lab = {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exited: Promise<unknown[]>;
};

const settled = { directory: '/', brokerUrl: 'http://elsewhere' };
let directory: string;
let portBase: number;
let broker: WebServer;
/** The assertions that the stand-in for the broker was sent. */
let assertions: Record<string, unknown>[];

const startLab = (environment: Record<string, string> = {}): Lab => {
  let output = '';
  const child = spawn(process.execPath, ['dist/lab/main.js'], {
    env: {
      ...process.env,
      LAB_DIR: directory,
      LAB_PORT_BASE: String(portBase),
      LAB_BROKER_URL: broker.url,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const collect = (chunk: Buffer): void => {
    output += chunk;
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  return { child, output: () => output, exited: once(child, 'exit') };
};
const ready = async (lab: Lab): Promise<void> => {
  const said = (): boolean => /^ready$/m.test(lab.output());
  const ended = lab.exited.then(() => {
    throw new Error(`the lab ended: ${lab.output()}`);
  });
  while (!said() && lab.child.stdout !== null) await Promise.race([once(lab.child.stdout, 'data'), ended]);
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-lab-'));
  assertions = [];
  for (portBase = 21_400; (await takenPorts(portsFrom(portBase), { ...settled, portBase })).length > 0; ) {
    portBase += 100;
  }
  const app = new Koa();
  const key = await createSigningKey();
  app.use(async (context) => {
    if (context.path === '/jwks') {
      context.body = { keys: [key.jwk] };
    } else if (context.path === '/revocations') {
      context.respond = false;
      createLocalFeed(broker.url, key).serve(context.req, context.res);
    } else if (context.path === '/.well-known/oauth-authorization-server') {
      context.body = { issuer: `http://${context.host}` };
    } else if (context.path === '/token') {
      const form = new URLSearchParams(await readText(context.req));
      assertions.push(decodeJwt(form.get('subject_token') ?? ''));
      context.status = 400;
      context.body = { error: 'access_denied', error_description: 'no', request_id: 'areq_1' };
    } else {
      context.body = { request: null, events: [] };
    }
  });
  broker = await serve(app, 0);
});
afterAll(async () => {
  await broker.close();
  await rm(directory, { recursive: true });
});

describe('a running lab', () => {
  let lab: Lab;
  let world: WorldFile;
  beforeAll(async () => {
    lab = startLab();
    await ready(lab);
    world = JSON.parse(await readFile(join(directory, 'world.json'), 'utf8'));
  });
  afterAll(() => {
    lab.child.kill('SIGKILL');
  });

  it('tells where it is and who one can be, to its owner only, and "ready" last', async () => {
    expect(lab.output().trimEnd().split('\n').at(-1)).toBe('ready');
    expect(lab.output()).toContain(world.demo_url);
    for (const { username, password } of world.people) {
      expect(lab.output()).toContain(username);
      expect(lab.output()).toContain(password);
    }
    expect((await stat(join(directory, 'world.json'))).mode & 0o777).toBe(0o600);
  });

  it.each(['support-agent', 'reporting-agent', 'ops-agent'])(
    'has %s sign in to Entra and ask',
    async (id) => {
      const agent = world.agents.find((candidate) => candidate.id === id);
      const { scenario, url } = { ...agent, scenario: world.scenarios.find((one) => one.agent === id)?.name };
      const started = await fetch(`${url}/run`, { method: 'POST', body: JSON.stringify({ scenario }) });
      const { id: run } = (await started.json()) as Run;
      await expect
        .poll(async () => ((await (await fetch(`${url}/runs/${run}`)).json()) as Run).state, {
          timeout: 10_000,
        })
        .toBe('refused');
      expect(assertions.at(-1)).toMatchObject({ oid: agent?.object_id, tid: world.entra.tenant });
      const page = await (await fetch(`${world.demo_url}/stories/${scenario}/${run}`)).text();
      expect(page).toContain('Refused: the agent got no token');
    },
  );

  it('keeps its directory and its ports: another start says so and changes nothing', async () => {
    const second = startLab();
    expect((await second.exited)[0]).toBe(1);
    expect(second.output()).toContain(`a lab is already running on ${directory}`);
    const elsewhere = await mkdtemp(join(tmpdir(), 'countersign-lab-'));
    const third = startLab({ LAB_DIR: elsewhere });
    expect((await third.exited)[0]).toBe(1);
    expect(third.output()).toContain(`${portBase + 20} (demo page)`);
    await expect(stat(join(elsewhere, 'world-secrets.json'))).rejects.toThrow();
    await rm(elsewhere, { recursive: true });
    expect((await fetch(world.demo_url)).status).toBe(200);
  });

  it('ends in good order when it is told to, and leaves its ports', async () => {
    lab.child.kill('SIGINT');
    lab.child.kill('SIGINT');
    expect((await lab.exited)[0]).toBe(0);
    expect(lab.output().trimEnd().split('\n').at(-1)).toBe('stopping');
    expect(await takenPorts(portsFrom(portBase), { ...settled, portBase })).toEqual([]);
  });

  it('is the same world after a restart', async () => {
    const again = startLab();
    await ready(again);
    const { agents, people } = JSON.parse(await readFile(join(directory, 'world.json'), 'utf8')) as WorldFile;
    expect({ agents, people }).toEqual({ agents: world.agents, people: world.people });
    again.child.kill('SIGTERM');
    expect((await again.exited)[0]).toBe(0);
  });
});

it('says what is wrong with its settings', async () => {
  const lab = startLab({ LAB_PORT_BASE: 'eighty' });
  expect((await lab.exited)[0]).toBe(1);
  expect(lab.output()).toBe('cannot start: LAB_PORT_BASE must be a number from 1024 to 65500\n');
});
