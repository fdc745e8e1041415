/**
 * One PostgreSQL for a whole test run, the same that the broker embeds, in a directory of the run's own. Its database
 * `countersign` is migrated once and is the template of every database that a test makes. What a run that was killed
 * left behind is ended and removed by the next one.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import type { TestProject } from 'vitest/node';
import { APPLICATION_ROLE, type Dsns, findCluster, openCluster } from '../../src/storage/embedded-cluster.ts';
import { endPostmaster, findPostmaster, startServer } from '../../src/storage/embedded-process.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { migrate } from '../../src/storage/migrate.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgres: Dsns;
    /** A directory of this run; whatever stands in it goes at the end. */
    runDirectory: string;
  }
}

const PREFIX = 'countersign-test-';

/** Ends every server that runs in a directory of `run`, and removes all of it. */
const removeRun = async (run: string): Promise<void> => {
  for (const name of await readdir(run)) {
    const cluster = await findCluster(join(run, name)).catch(() => null);
    const found = cluster === null ? null : await findPostmaster(cluster);
    if (cluster === null || found === null) continue;
    process.kill(found.pid, 'SIGCONT');
    await endPostmaster(cluster, found);
  }
  await rm(run, { recursive: true, force: true });
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const removeKilledRuns = async (): Promise<void> => {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split('-')[0]) : Number.NaN;
    if (pid > 0 && !isAlive(pid)) await removeRun(join(tmpdir(), name)).catch(() => undefined);
  }
};

/** Tests watch as the owner what the application's connections wait for. */
const letOwnerWatch = async ({ superuserDsn, ownerDsn }: Dsns): Promise<void> => {
  const client = new pg.Client({ connectionString: superuserDsn });
  await client.connect();
  await client.query(`grant pg_read_all_stats to ${new URL(ownerDsn).username}`);
  await client.end();
};

export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  await removeKilledRuns();
  const run = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const cluster = await openCluster(join(run, 'shared'));
  const server = await startServer(cluster, await freePort(), pino({ level: 'silent' }));
  const dsns = cluster.dsns(server.port);
  await migrate(dsns.ownerDsn, { applicationRole: APPLICATION_ROLE });
  await letOwnerWatch(dsns);
  project.provide('postgres', dsns);
  project.provide('runDirectory', run);
  return () => removeRun(run);
};
