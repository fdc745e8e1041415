/** The whole lab as a user starts it: a process of its own, on free ports, in a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type LabWorld = {
  readonly issuer: string;
  readonly token_endpoint: string;
  readonly environment: string;
  readonly demo_url: string;
  readonly scenarios: readonly { readonly name: string }[];
  readonly people: readonly { readonly username: string; readonly password: string }[];
};

export type Lab = {
  readonly world: LabWorld;
  readonly stop: () => Promise<void>;
};

/** The lab uses offsets up to this from its base. */
const PORTS = 34;

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

const freeBase = async (): Promise<number> => {
  for (;;) {
    const base = 20_000 + Math.floor(Math.random() * 10_000);
    const ports = Array.from({ length: PORTS }, (_, offset) => base + offset);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return base;
  }
};

const untilReady = async (child: ChildProcess): Promise<void> => {
  let output = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  for await (const chunk of child.stdout ?? []) {
    output += chunk;
    if (/^ready$/m.test(output)) return;
  }
  throw new Error(`the lab ended before it was ready:\n${output}`);
};

/** Starts the built lab and waits for its `ready`. */
export const startLab = async (): Promise<Lab> => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-lab-'));
  const child = spawn(process.execPath, ['dist/lab/main.js'], {
    env: { ...process.env, LAB_DIR: directory, LAB_PORT_BASE: String(await freeBase()) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await untilReady(child);
  child.stdout?.resume();
  return {
    world: JSON.parse(await readFile(join(directory, 'world.json'), 'utf8')),
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGINT');
      await exited;
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
};
