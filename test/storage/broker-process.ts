/** Processes that run an embedded database as a broker does, to be started twice, stopped and killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';

const SCRIPT = join(import.meta.dirname, 'embedded-broker.ts');

export type Broker = {
  readonly dsn: string;
  /** Of PostgreSQL's main process. */
  readonly pid: number;
  readonly process: ChildProcess;
  /** What it has told on its error output. */
  readonly said: () => string;
};

const spawned: ChildProcess[] = [];

/** Kills every broker that still runs. */
export const killBrokers = (): void => {
  for (const broker of spawned.splice(0)) broker.kill('SIGKILL');
};

/** A broker on `directory` that may or may not come up. */
export const spawnBroker = (
  directory: string,
): { readonly process: ChildProcess; readonly said: () => string } => {
  const child = spawn(process.execPath, [SCRIPT, directory], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  spawned.push(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  return { process: child, said: () => said };
};

/** A broker that runs; throws what it said if it ended instead. */
export const startBroker = async (directory: string): Promise<Broker> => {
  const broker = spawnBroker(directory);
  const ended = once(broker.process, 'exit').then(() => Promise.reject(new Error(broker.said())));
  const [line] = await Promise.race([once(broker.process.stdout ?? broker.process, 'data'), ended]);
  return { ...(JSON.parse(String(line)) as { dsn: string; pid: number }), ...broker };
};

/** Sends `signal` and waits for the broker's end. */
export const end = async (broker: Broker, signal: NodeJS.Signals): Promise<void> => {
  const exited = once(broker.process, 'exit');
  broker.process.kill(signal);
  await exited;
};

/** Whether the process is there and no zombie. */
export const isRunning = (pid: number): Promise<boolean> =>
  readFile(`/proc/${pid}/stat`, 'utf8').then(
    (line) => !/^\d+ \(.*\) Z/.test(line),
    () => false,
  );

export const query = async (dsn: string, text: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: dsn, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};
