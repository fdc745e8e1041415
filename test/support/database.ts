/** Real PostgreSQL for tests: fresh migrated databases in the run's server, and whole servers to break. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { inject } from 'vitest';
import { APPLICATION_ROLE, openCluster } from '../../src/storage/embedded-cluster.ts';
import { type Server, startServer } from '../../src/storage/embedded-process.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { migrate } from '../../src/storage/migrate.ts';

export type TestDatabase = {
  /** The owner role, as migrations have it. */
  readonly ownerDsn: string;
  /** The role the broker works with. */
  readonly applicationDsn: string;
  readonly drop: () => Promise<void>;
};

const asSuperuser = async (statements: readonly string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: inject('postgres').superuserDsn });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
};

const inDatabase = (dsn: string, database: string): string => {
  const url = new URL(dsn);
  url.pathname = `/${database}`;
  return url.href;
};

/** A new database with the roles and privileges of a deployment; `empty`: without any migration. */
export const createDatabase = async (contents: 'migrated' | 'empty' = 'migrated'): Promise<TestDatabase> => {
  const { ownerDsn, applicationDsn } = inject('postgres');
  const name = `test_${randomBytes(8).toString('hex')}`;
  const template = contents === 'migrated' ? 'countersign' : 'template1';
  await asSuperuser([
    `create database ${name} template ${template} owner ${new URL(ownerDsn).username}`,
    `revoke all on database ${name} from public`,
    `grant connect on database ${name} to ${APPLICATION_ROLE}`,
  ]);
  return {
    ownerDsn: inDatabase(ownerDsn, name),
    applicationDsn: inDatabase(applicationDsn, name),
    drop: () => asSuperuser([`drop database if exists ${name} with (force)`]),
  };
};

export type PrivateDatabase = {
  readonly ownerDsn: string;
  readonly applicationDsn: string;
  /** Where a broker would be told `embedded:DIRECTORY`. */
  readonly directory: string;
  /** Stops every process of the server where it stands (SIGSTOP), so that it answers nothing. */
  readonly pause: () => Promise<void>;
  readonly resume: () => Promise<void>;
  /** Ends the server by a fast shutdown; `start` brings it back at the same address. */
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** Ends the server and removes its data. */
  readonly remove: () => Promise<void>;
};

/** Process ids of a server: its main process first, which starts no others once it is stopped. */
export const serverProcesses = async (pid: number): Promise<number[]> => {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return [pid, ...children.split(' ').filter(Boolean).map(Number)];
};

/** Sends a signal to every process of a server that is still there. */
export const signalServer = async (pid: number, signal: NodeJS.Signals): Promise<void> => {
  process.kill(pid, signal);
  for (const child of (await serverProcesses(pid)).slice(1)) {
    try {
      process.kill(child, signal);
    } catch {
      // It has just ended.
    }
  }
};

/** A migrated server of one's own, to be stopped, stalled and started at will. */
export const startPrivateDatabase = async (): Promise<PrivateDatabase> => {
  const directory = await mkdtemp(join(inject('runDirectory'), 'private-'));
  const cluster = await openCluster(directory);
  const logger = pino({ level: 'silent' });
  const port = await freePort();
  let server: Server = await startServer(cluster, port, logger);
  const { ownerDsn, applicationDsn } = cluster.dsns(port);
  await migrate(ownerDsn, { applicationRole: APPLICATION_ROLE });
  const resume = () => signalServer(server.pid, 'SIGCONT');
  return {
    ownerDsn,
    applicationDsn,
    directory,
    pause: () => signalServer(server.pid, 'SIGSTOP'),
    resume,
    stop: () => server.stop(),
    start: async () => {
      server = await startServer(cluster, port, logger);
    },
    remove: async () => {
      await resume().catch(() => undefined);
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
};
