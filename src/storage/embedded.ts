/**
 * The default database: the real PostgreSQL 18 that npm brings, run as a child process on a directory of its own.
 *
 * A server whose parent is the process that started it belongs to a living broker, be it one that is still starting,
 * and this one does not start. Any other is the orphan of a killed broker and is ended by whoever takes its advisory
 * lock, which a broker holds on a connection as long as it lives: it goes with the process, however that ends. Should two
 * starts still race, PostgreSQL's own lock on the data directory lets one of them through.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import { OTHERWISE } from './embedded-binaries.ts';
import { type Cluster, type Dsns, findCluster, openCluster } from './embedded-cluster.ts';
import { endPostmaster, findPostmaster, type Server, startServer } from './embedded-process.ts';
import { freePort } from './free-port.ts';

export type Embedded = Dsns & {
  /** Process id of PostgreSQL's main process as it is now. */
  readonly pid: () => number;
  /** Ends PostgreSQL by a fast shutdown. */
  readonly stop: () => Promise<void>;
};

/** Any fixed number: the lock of the broker that works on this directory. */
const BROKER_LOCK = 0x62726f6b;
/** A second start must be refused within 2 s. */
const CONNECT_TIMEOUT_MS = 1_500;
const RESTART_DELAY_MS = 250;
/** Recovery after a crash replays at most a few minutes of changes. */
const ORPHAN_TIMEOUT_MS = 60_000;
/** Children of a server that was killed hold on to its memory for a moment, and a start fails so long. */
const START_ATTEMPTS = 20;

type Lock = { readonly release: () => Promise<void> };

/** Null: another broker holds it. Throws if the server does not answer. */
const takeLock = async (cluster: Cluster, port: number): Promise<Lock | null> => {
  const client = new pg.Client({
    connectionString: cluster.dsns(port).ownerDsn,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'countersign lock',
  });
  client.on('error', () => undefined);
  const release = (): Promise<void> => client.end().catch(() => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ taken: boolean }>(
      `select pg_try_advisory_lock(${BROKER_LOCK}) as taken`,
    );
    if (rows[0]?.taken === true) return { release };
  } catch (error) {
    await release();
    throw error;
  }
  await release();
  return null;
};

const inUse = (directory: string): Error =>
  new Error(
    `the embedded database in ${directory} is in use by another Countersign: stop that one first, or give this one a directory of its own`,
  );

/** It recovers (SQLSTATE cannot_connect_now), or another start is ending it: answers of a server on its way. */
const PASSING = /\b(?:57P03|57P01|ECONNREFUSED|ECONNRESET)\b|terminated unexpectedly/;

const isPassing = (error: unknown): boolean =>
  error instanceof Error && PASSING.test(`${'code' in error ? error.code : ''} ${error.message}`);

/** Ends the server that a killed broker left behind. Throws if it is a living broker's. */
const endOrphan = async (cluster: Cluster, logger: Logger): Promise<void> => {
  const until = performance.now() + ORPHAN_TIMEOUT_MS;
  for (;;) {
    const found = await findPostmaster(cluster);
    if (found === null) return;
    if (!found.orphaned) throw inUse(cluster.directory);
    const answer = await takeLock(cluster, found.port).catch((cause: unknown) => ({ cause }));
    if (answer === null) throw inUse(cluster.directory);
    if ('release' in answer) {
      logger.warn({ pid: found.pid }, 'ending the embedded PostgreSQL that a killed broker left behind');
      return endPostmaster(cluster, found).finally(answer.release);
    }
    const { cause } = answer;
    const isStill = (await findPostmaster(cluster))?.pid === found.pid;
    if (isStill && (!isPassing(cause) || performance.now() > until)) {
      throw new Error(
        `the embedded database in ${cluster.directory} is held by a PostgreSQL that does not answer (process ${found.pid}): wait for it or end it, then start again`,
        { cause },
      );
    }
    await sleep(RESTART_DELAY_MS);
  }
};

type Running = { readonly server: Server; readonly lock: Lock };

/** Starts the server and takes its lock. */
const run = async (cluster: Cluster, port: number, logger: Logger): Promise<Running> => {
  const server = await startServer(cluster, port, logger);
  try {
    const lock = await takeLock(cluster, port);
    if (lock === null) throw inUse(cluster.directory);
    return { server, lock };
  } catch (error) {
    await server.stop();
    throw error;
  }
};

/** Tries again while only the leftovers of a killed server, a taken port or another's first step stand in the way. */
const runAfterOthers = async (cluster: Cluster, logger: Logger): Promise<Running> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run(cluster, await freePort(), logger);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (/lock file "postmaster\.pid" already exists/.test(reason)) throw inUse(cluster.directory);
      const passing =
        /pre-existing shared memory|could not create any TCP\/IP sockets|lock file .* is empty/.test(reason);
      if (!passing || attempt === START_ATTEMPTS) {
        throw new Error(
          `the embedded database in ${cluster.directory} did not start: ${reason}; put that right, ${OTHERWISE}`,
          { cause: error },
        );
      }
      await sleep(RESTART_DELAY_MS);
    }
  }
};

/**
 * Starts the embedded database in `directory`, making it at the first start, and starts it again should its process
 * end by itself. Throws one clear line if it cannot, also if another broker works on the directory.
 */
export const startEmbedded = async (directory: string, logger: Logger): Promise<Embedded> => {
  const cluster = await openCluster(directory);
  await endOrphan(cluster, logger);
  let running = await runAfterOthers(cluster, logger);
  const { port } = running.server;
  let stopping = false;

  const restart = async (): Promise<void> => {
    while (!stopping) {
      await running.lock.release();
      try {
        running = await run(cluster, port, logger);
        return;
      } catch (error) {
        logger.error(
          { reason: error instanceof Error ? error.message : String(error) },
          'embedded PostgreSQL did not start',
        );
        await sleep(RESTART_DELAY_MS);
      }
    }
  };
  const keepRunning = async (): Promise<void> => {
    while (!stopping) {
      await running.server.ended;
      if (stopping) return;
      logger.error('embedded PostgreSQL ended by itself; starting it again');
      await restart();
    }
  };
  const watching = keepRunning();

  const stopRunning = async (): Promise<void> => {
    await running.lock.release();
    await running.server.stop();
  };
  const stop = async (): Promise<void> => {
    stopping = true;
    await stopRunning();
    await watching;
    // A restart that was under way has brought up another one meanwhile.
    await stopRunning();
  };
  return { ...cluster.nearestDsns(port), pid: () => running.server.pid, stop };
};

/** How to reach the database in `directory` while a broker runs it; null if none does. For commands beside it. */
export const joinEmbedded = async (directory: string): Promise<Dsns | null> => {
  const cluster = await findCluster(directory);
  const found = cluster === null ? null : await findPostmaster(cluster);
  return cluster === null || found === null ? null : cluster.nearestDsns(found.port);
};
