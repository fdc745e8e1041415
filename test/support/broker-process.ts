/** A broker as an operator runs it, a process of its own that can be killed at any moment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../src/storage/free-port.ts';

export type BrokerProcess = {
  readonly port: number;
  readonly pid: number;
  /** SIGKILL, and wait until it is gone. */
  readonly kill: () => Promise<void>;
  /** SIGTERM, and wait; the exit code. */
  readonly stop: () => Promise<number | null>;
};

/** Runs `countersign serve` with exactly these settings; resolves with its exit code and what it printed. */
export const serveToEnd = async (
  settings: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly output: string }> => {
  const child = launch(settings);
  let output = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, output };
};

const launch = (settings: Readonly<Record<string, string>>): ChildProcess =>
  spawn(process.execPath, ['bin/countersign.js', 'serve'], {
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  });

/** Starts a broker, on a free port unless one is given, and waits until it says that it is ready. */
export const startBrokerProcess = async (
  settings: Readonly<Record<string, string>>,
  givenPort?: number,
): Promise<BrokerProcess> => {
  const port = givenPort ?? (await freePort());
  const child = launch({ ...settings, COUNTERSIGN_LISTEN: `127.0.0.1:${port}` });
  const exited = once(child, 'exit');
  let output = '';
  for await (const chunk of child.stderr ?? []) {
    output += chunk;
    if (output.includes('"msg":"ready"')) break;
  }
  if (!output.includes('"msg":"ready"')) throw new Error(`the broker did not start:\n${output}`);
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    const [code] = await exited;
    return code;
  };
  return {
    port,
    pid: child.pid ?? 0,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  };
};
