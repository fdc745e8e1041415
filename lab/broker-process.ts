/**
 * The broker as the lab runs it: `countersign serve --env-file` in a process group of its own, so that Ctrl-C reaches
 * the lab alone and the broker ends after everything that depends on it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { packageFile } from './package-file.ts';

export type BrokerProcess = {
  /** Resolves when the process ends unasked, with what can be said about it. */
  readonly died: Promise<Error>;
  readonly stop: () => Promise<void>;
};

const READY_TIMEOUT_MS = 90_000;
/** Somebody else's broker may have images to pull and a database to set up first. */
const EXTERNAL_TIMEOUT_MS = 600_000;
const READY_POLL_MS = 50;
/** Longer than the broker takes to drain and to stop its database. */
const STOP_TIMEOUT_MS = 20_000;
const LAST_WORDS_LINES = 12;

/** The broker gets its configuration from its file: what the shell has of it belongs to another broker. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COUNTERSIGN_')));

const lastWords = async (log: string): Promise<string> => {
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-LAST_WORDS_LINES);
  return `its last words, from ${log}:\n${lines.map((line) => `  ${line}`).join('\n')}`;
};

const isReady = async (operationsUrl: string): Promise<boolean> => {
  try {
    const response = await fetch(`${operationsUrl}/readyz`, { signal: AbortSignal.timeout(1_000) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
};

const killGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // Nobody is left in the group.
  }
};

const spawnBroker = async (environmentFile: string, log: string): Promise<ChildProcess> => {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const endWithParent = fileURLToPath(new URL(`./end-with-parent${extension}`, import.meta.url));
  const output = await open(log, 'w', 0o600);
  try {
    const child = spawn(
      process.execPath,
      ['--import', endWithParent, packageFile('bin/countersign.js'), 'serve', '--env-file', environmentFile],
      { detached: true, stdio: ['ignore', output.fd, output.fd, 'ipc'], env: environment() },
    );
    await once(child, 'spawn');
    return child;
  } finally {
    await output.close();
  }
};

/** Starts the broker; its output goes to `broker.log` in `directory`. */
export const startBroker = async (environmentFile: string, directory: string): Promise<BrokerProcess> => {
  const log = join(directory, 'broker.log');
  const child = await spawnBroker(environmentFile, log);
  let stopping = false;
  const exited = once(child, 'exit');
  const died = new Promise<Error>((resolve) => {
    void exited.then(async ([code, signal]) => {
      if (stopping) return;
      killGroup(child, 'SIGTERM');
      resolve(new Error(`the broker ended (${signal ?? `exit code ${code}`}); ${await lastWords(log)}`));
    });
  });
  const stop = async (): Promise<void> => {
    stopping = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const patience = setTimeout(() => killGroup(child, 'SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(patience);
  };
  return { died, stop };
};

/** Waits until the broker says that it is ready. Rejects when it dies first or takes too long. */
export const brokerReady = async (broker: BrokerProcess, operationsUrl: string): Promise<void> => {
  const waiting = new AbortController();
  const polling = async (): Promise<void> => {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!(await isReady(operationsUrl))) {
      if (Date.now() > deadline)
        throw new Error(`the broker is not ready after ${READY_TIMEOUT_MS / 1000} s`);
      await pause(READY_POLL_MS, undefined, { signal: waiting.signal });
    }
  };
  const death = broker.died.then((error) => {
    throw error;
  });
  try {
    await Promise.race([polling(), death]);
  } finally {
    waiting.abort();
  }
};

/** Waits for a broker that somebody else runs: until its metadata name it as the issuer. */
export const externalBrokerReady = async (issuer: string): Promise<void> => {
  const deadline = Date.now() + EXTERNAL_TIMEOUT_MS;
  for (;;) {
    try {
      const response = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
      const metadata = (await response.json()) as { issuer?: unknown };
      if (response.status === 200 && metadata.issuer === issuer) return;
    } catch {
      // Not there yet.
    }
    if (Date.now() > deadline) throw new Error(`no broker at ${issuer} calls itself ${issuer}`);
    await pause(1_000);
  }
};
