/** The processes that are measured, started as a user would start them, each a child of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { packageFile } from '../lab/package-file.ts';

export type MeasuredServer = {
  readonly pid: number;
  /** Where tokens are asked for. */
  readonly tokenUrl: string;
  readonly stop: () => Promise<void>;
};

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;

const stopChild = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
};

/** Settings of this shell belong to another broker. */
const withoutSettings = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COUNTERSIGN_')));

const isReady = async (operationsUrl: string): Promise<boolean> => {
  const response = await fetch(`${operationsUrl}/readyz`).catch(() => null);
  await response?.body?.cancel();
  return response?.status === 200;
};

/** `countersign serve`, with all of its settings in the environment; its log goes to `logFile`. */
export const startBroker = async (
  settings: Readonly<Record<string, string>>,
  logFile: string,
): Promise<MeasuredServer> => {
  const log = await open(logFile, 'w');
  const child = spawn(process.execPath, [packageFile('bin/countersign.js'), 'serve'], {
    stdio: ['ignore', log.fd, log.fd],
    env: { ...withoutSettings(), ...settings },
  });
  await once(child, 'spawn');
  await log.close();
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await isReady(`http://${settings.COUNTERSIGN_OPERATIONS_LISTEN}`))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stopChild(child);
      throw new Error(`the broker does not become ready; it said:\n${readFileSync(logFile, 'utf8')}`);
    }
    await pause(READY_POLL_MS);
  }
  return {
    pid: Number(child.pid),
    tokenUrl: `${settings.COUNTERSIGN_URL}/token`,
    stop: () => stopChild(child),
  };
};

type Program = { readonly pid: number; readonly port: number; readonly stop: () => Promise<void> };

/** A program of this folder that prints its port. */
const startProgram = async (name: string, args: readonly string[]): Promise<Program> => {
  const program = fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), once(lines, 'close')]);
  if (typeof line !== 'string') throw new Error(`${name} did not start`);
  const { port }: { port: number } = JSON.parse(line);
  return { pid: Number(child.pid), port, stop: () => stopChild(child) };
};

/** The floor of the comparison (`baseline.ts`). */
export const startBaseline = async (): Promise<MeasuredServer> => {
  const { port, ...process } = await startProgram('baseline', []);
  return { ...process, tokenUrl: `http://127.0.0.1:${port}/token` };
};

/** An API that takes the issuer's tokens for `audience` (`api.ts`). */
export const startApi = (issuer: string, audience: string): Promise<Program> =>
  startProgram('api', [issuer, audience]);
