/**
 * PostgreSQL's programs as child processes. The data directory is handed over as the working directory, not by its
 * path: on Linux `/proc/self/cwd` leads there even when the user it runs as may not enter the folders above. Each
 * child leads a process group of its own, so that Ctrl-C in a terminal reaches the broker alone, which ends the
 * database last. Their environment is empty but for the locale: the broker's holds secrets.
 */
import { execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import type { ProcessUser } from './embedded-binaries.ts';
import type { Cluster } from './embedded-cluster.ts';

type Where = { readonly cwd: string; readonly user: ProcessUser };

/** Lines of output kept to explain a failure. */
const KEPT_LINES = 20;
/** Recovery after a crash replays at most a few minutes of changes. */
const START_TIMEOUT_MS = 60_000;
/** A fast shutdown writes a checkpoint; after this long it is cut short, which recovery puts right. */
const STOP_TIMEOUT_MS = 8_000;
const POLL_MS = 20;

/** On a server's command line: the process that started it. */
const BROKER_PID_SETTING = 'countersign.broker';
const BROKER_PID = new RegExp(`${BROKER_PID_SETTING.replace('.', '\\.')}=(\\d+)`);

const launch = (program: string, args: readonly string[], { cwd, user }: Where) =>
  spawn(program, [...args, '-D', process.platform === 'linux' ? '/proc/self/cwd' : resolve(cwd)], {
    cwd,
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: process.env.PATH ?? '/usr/bin:/bin' },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...user,
  });

type Child = ReturnType<typeof launch>;

/** Hands every line of output on, and keeps the last ones. */
const followLines = (child: Child, onLine: (line: string) => void): readonly string[] => {
  const kept: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        kept.push(line);
        if (kept.length > KEPT_LINES) kept.shift();
        onLine(line);
      }
    });
  }
  return kept;
};

/** The line of a failed program's output that says why. */
const reasonIn = (lines: readonly string[]): string =>
  lines
    .findLast((line) => /\b(FATAL|PANIC|ERROR|error):/.test(line))
    ?.replace(/^.*?(FATAL|PANIC|ERROR|error):\s*/, '') ??
  lines.at(-1) ??
  'no output';

/** Runs a program to its end. Throws what it said if it failed, by its exit code or by an ERROR line. */
export const runToEnd = (
  program: string,
  args: readonly string[],
  { input = '', ...where }: Where & { readonly input?: string },
): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = launch(program, args, where);
    let failed = false;
    const lines = followLines(child, (line) => {
      failed ||= /\bERROR:/.test(line);
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 && !failed ? resolve() : reject(new Error(reasonIn(lines)))));
    child.stdin.on('error', () => undefined).end(input);
  });

export type Server = {
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
};

/** Passwords only, and from this machine only. */
const HOST_BASED_AUTHENTICATION = 'local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n';

/** Statements never reach the log: no ERROR lines, no statement text. fsync stays on, which is the default. */
const serverArguments = (cluster: Cluster, port: number): string[] =>
  Object.entries({
    cluster_name: cluster.name,
    [BROKER_PID_SETTING]: process.pid,
    listen_addresses: '127.0.0.1',
    port,
    // In the data directory, which nobody else may enter; named from there, since a socket's path must be short.
    unix_socket_directories: '.',
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

/** Starts the cluster's server and waits until it accepts connections. Throws what it said if it ends before. */
export const startServer = async (cluster: Cluster, port: number, logger: Logger): Promise<Server> => {
  const rules = join(cluster.data, 'pg_hba.conf');
  if ((await readFile(rules, 'utf8')) !== HOST_BASED_AUTHENTICATION)
    await writeFile(rules, HOST_BASED_AUTHENTICATION);
  return run(cluster, port, logger);
};

const run = (cluster: Cluster, port: number, logger: Logger): Promise<Server> =>
  new Promise((resolve, reject) => {
    const child = launch(cluster.binaries.postgres, serverArguments(cluster, port), {
      cwd: cluster.data,
      user: cluster.user,
    });
    const ended = new Promise<void>((settle) =>
      child.once('close', () => settle()).once('error', () => settle()),
    );
    const stop = async (): Promise<void> => {
      child.kill('SIGINT');
      if (!(await settlesWithin(ended, STOP_TIMEOUT_MS))) child.kill('SIGQUIT');
      await ended;
    };
    const timer = setTimeout(() => {
      child.kill('SIGQUIT');
      reject(new Error('it did not become ready in time'));
    }, START_TIMEOUT_MS);
    const lines = followLines(child, (line) => {
      logger.debug({ line }, 'embedded PostgreSQL');
      if (!line.includes('database system is ready to accept connections')) return;
      clearTimeout(timer);
      resolve({ port, pid: child.pid ?? 0, ended, stop });
    });
    child.stdin.on('error', () => undefined).end();
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      reject(new Error(reasonIn(lines)));
    });
  });

const settlesWithin = (promise: Promise<void>, milliseconds: number): Promise<boolean> => {
  const over = new AbortController();
  return Promise.race([
    promise.then(() => true),
    sleep(milliseconds, false, { signal: over.signal }).catch(() => false),
  ]).finally(() => over.abort());
};

type ProcessLine = { readonly parent: number; readonly command: string };

/** A process's parent and its command line, which the system tells as its arguments or as one line; null if it is gone. */
const lookAtProcess = async (pid: number): Promise<ProcessLine | null> => {
  try {
    if (process.platform !== 'linux') {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'ppid=,command=', '-p', String(pid)]);
      const [, parent = '', command = ''] = /^\s*(\d+)\s+(.*)/s.exec(stdout) ?? [];
      return { parent: Number(parent), command };
    }
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    // The name in parentheses may hold anything; then come the state and the parent.
    const [, parent = ''] = /^.*\) \S (\d+)/s.exec(await readFile(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return { parent: Number(parent), command };
  } catch {
    return null;
  }
};

export type Postmaster = {
  readonly pid: number;
  readonly port: number;
  /** Whoever started it is gone: a living one is still its parent. */
  readonly orphaned: boolean;
};

/**
 * The server that runs on the cluster's data directory now, if any. The pid that `postmaster.pid` names may long be
 * another program's: it counts only if that process was started with this cluster's name.
 */
export const findPostmaster = async (cluster: Cluster): Promise<Postmaster | null> => {
  const [pidLine, , , portLine] = (
    await readFile(join(cluster.data, 'postmaster.pid'), 'utf8').catch(() => '')
  ).split('\n');
  const pid = Number(pidLine);
  if (!Number.isInteger(pid) || pid <= 1) return null;
  const found = await lookAtProcess(pid);
  if (!found?.command.includes(`cluster_name=${cluster.name}`)) return null;
  const [, starter] = BROKER_PID.exec(found.command) ?? [];
  return { pid, port: Number(portLine), orphaned: found.parent !== Number(starter) };
};

/** False: the process ended meanwhile. */
const signalIfThere = (pid: number, signal: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
};

/** Ends a server that nobody looks after any more: a fast shutdown, then an immediate one. */
export const endPostmaster = async (cluster: Cluster, { pid }: Pick<Postmaster, 'pid'>): Promise<void> => {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!signalIfThere(pid, signal)) return;
    const until = Date.now() + STOP_TIMEOUT_MS;
    while (Date.now() < until) {
      if ((await findPostmaster(cluster))?.pid !== pid) return;
      await sleep(POLL_MS);
    }
  }
  throw new Error(`its former server (process ${pid}) cannot be ended`);
};
