import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { joinEmbedded, startEmbedded } from '../../src/storage/embedded.ts';
import { openCluster } from '../../src/storage/embedded-cluster.ts';
import { startServer } from '../../src/storage/embedded-process.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { openStorage } from '../../src/storage/open-storage.ts';
import { signalServer } from '../support/database.ts';
import { end, isRunning, killBrokers, query, spawnBroker, startBroker } from './broker-process.ts';

const logger = pino({ level: 'silent' });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(inject('runDirectory'), 'embedded-'));
});
afterEach(killBrokers);

/** The number of the main process that runs now. */
const serverPid = async (): Promise<number> =>
  Number.parseInt(await readFile(join(directory, 'cluster', 'data', 'postmaster.pid'), 'utf8'), 10);

const embeddedSettings = () => ({ kind: 'embedded', directory }) as const;

describe('a broker and its embedded database', () => {
  it('end together on SIGTERM, and a Ctrl-C reaches the broker alone', async () => {
    const first = await startBroker(directory);
    await end(first, 'SIGTERM');
    expect(await isRunning(first.pid)).toBe(false);

    const second = await startBroker(directory);
    const group = Number((await readFile(`/proc/${second.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[2]);
    expect(group).toBe(second.pid);
    const exited = once(second.process, 'exit');
    process.kill(-(second.process.pid ?? 0), 'SIGINT');
    expect(await exited).toEqual([0, null]);
    expect(await isRunning(second.pid)).toBe(false);
    expect(second.said()).toBe('');
  });

  it('refuse a second start at once, and the first goes on', async () => {
    const first = await startBroker(directory);
    const from = performance.now();
    const second = spawnBroker(directory);
    const [code] = await once(second.process, 'exit');
    expect(performance.now() - from).toBeLessThan(15_000);
    expect(code).toBe(1);
    expect(second.said()).toBe(
      `the embedded database in ${directory} is in use by another Countersign: stop that one first, or give this one a directory of its own\n`,
    );
    expect(await query(first.dsn, 'select 1 as one')).toEqual([{ one: 1 }]);
    await end(first, 'SIGTERM');
  });

  it('let one of several first starts through', async () => {
    const starts = await Promise.allSettled([1, 2, 3].map(() => startBroker(directory)));
    const started = starts.filter((start) => start.status === 'fulfilled').map(({ value }) => value);
    expect(started).toHaveLength(1);
    for (const start of starts) {
      if (start.status === 'rejected') expect(String(start.reason)).toMatch(/in use by another Countersign/);
    }
    for (const broker of started) await end(broker, 'SIGTERM');
    expect(await readdir(directory)).toEqual(['cluster']);
  });

  it('leave the server of a start alone that has not come to its lock yet', async () => {
    const cluster = await openCluster(directory);
    const starting = await startServer(cluster, await freePort(), logger);
    await expect(startBroker(directory)).rejects.toThrow(/in use by another Countersign/);
    expect(await isRunning(starting.pid)).toBe(true);
    await starting.stop();
    await end(await startBroker(directory), 'SIGTERM');
  });

  it('let one of several starts end an orphan', async () => {
    await end(await startBroker(directory), 'SIGKILL');
    const starts = await Promise.allSettled([1, 2, 3].map(() => startBroker(directory)));
    const started = starts.filter((start) => start.status === 'fulfilled').map(({ value }) => value);
    expect(started).toHaveLength(1);
    for (const start of starts) {
      if (start.status === 'rejected') expect(String(start.reason)).toMatch(/in use by another Countersign/);
    }
    for (const broker of started) await end(broker, 'SIGTERM');
  });

  it('part when the broker is killed: the next start ends the orphan and finds every commit', async () => {
    const storage = await openStorage(embeddedSettings(), logger);
    await storage.stop();
    for (let round = 1; round <= 3; round += 1) {
      const broker = await startBroker(directory);
      await query(broker.dsn, `insert into audit_events (name, body) values ('round', '')`);
      await end(broker, 'SIGKILL');
      expect(await isRunning(broker.pid)).toBe(true);
      const next = await startBroker(directory);
      expect(next.said()).toContain('left behind');
      expect(await isRunning(broker.pid)).toBe(false);
      expect(await query(next.dsn, 'select count(*)::int as n from audit_events')).toEqual([{ n: round }]);
      await end(next, 'SIGTERM');
    }
  });

  it('ends no process that merely has the number of the last server', async () => {
    await (await startEmbedded(directory, logger)).stop();
    const bystander = spawn('sleep', ['60']);
    await writeFile(
      join(directory, 'cluster', 'data', 'postmaster.pid'),
      `${bystander.pid}\n/elsewhere\n0\n5432\n\n\n`,
    );
    expect(await joinEmbedded(directory)).toBeNull();
    bystander.kill('SIGKILL');
  });

  it('refuse to touch a server that does not answer', async () => {
    const broker = await startBroker(directory);
    await end(broker, 'SIGKILL');
    await signalServer(broker.pid, 'SIGSTOP');
    const refused = await startBroker(directory).catch((error: unknown) => String(error));
    expect(refused).toMatch(new RegExp(`PostgreSQL that does not answer \\(process ${broker.pid}\\)`));
    await signalServer(broker.pid, 'SIGCONT');
    await end(await startBroker(directory), 'SIGTERM');
  });

  it('come back when the database is killed, at the same address with every commit', async () => {
    const storage = await openStorage(embeddedSettings(), logger);
    const insert = { name: 'insert', text: `insert into audit_events (name, body) values ('kept', '')` };
    const look = {
      name: 'look',
      text: 'select count(*) as n, pg_postmaster_start_time()::text as since from audit_events',
    };
    /** What the server that runs next answers; a backend of the killed one may live a moment longer. */
    const seenAfter = async (former: string): Promise<number> => {
      for (;;) {
        const [seen] = await storage.database.query<{ n: number; since: string }>(look, []).catch(() => []);
        if (seen !== undefined && seen.since !== former) return seen.n;
        await sleep(20);
      }
    };
    for (let round = 1; round <= 3; round += 1) {
      await storage.database.query(insert, []);
      const [before] = await storage.database.query<{ since: string }>(look, []);
      process.kill(await serverPid(), 'SIGKILL');
      expect(await seenAfter(before?.since ?? '')).toBe(round);
    }
    await storage.stop();
    expect(await joinEmbedded(directory)).toBeNull();
  });
});
