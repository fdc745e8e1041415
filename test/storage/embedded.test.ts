import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, describe, expect, inject, it } from 'vitest';
import { joinEmbedded, startEmbedded } from '../../src/storage/embedded.ts';
import { openStorage, reachStorage } from '../../src/storage/open-storage.ts';
import { query } from './broker-process.ts';

const logger = pino({ level: 'silent' });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(inject('runDirectory'), 'embedded-'));
});

const embeddedSettings = () => ({ kind: 'embedded', directory }) as const;

describe('the embedded database', () => {
  it('starts in under 6 s the first time and 1.5 s later, durable, with passwords and roles apart', async () => {
    const times: number[] = [];
    for (const _ of [1, 2]) {
      const from = performance.now();
      const storage = await openStorage(embeddedSettings(), logger);
      times.push(performance.now() - from);
      expect(storage.weaknesses).toEqual([]);
      await storage.stop();
    }
    expect(times[0]).toBeLessThan(30_000);
    expect(times[1]).toBeLessThan(15_000);

    const embedded = await startEmbedded(directory, logger);
    const settings = await query(
      embedded.superuserDsn,
      `select name, setting from pg_settings where name in
        ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'unix_socket_directories', 'data_checksums') order by name`,
    );
    expect(settings).toEqual([
      { name: 'data_checksums', setting: 'on' },
      { name: 'fsync', setting: 'on' },
      { name: 'full_page_writes', setting: 'on' },
      { name: 'listen_addresses', setting: '127.0.0.1' },
      { name: 'synchronous_commit', setting: 'on' },
      { name: 'unix_socket_directories', setting: '.' },
    ]);
    expect(await query(embedded.superuserDsn, 'select distinct auth_method from pg_hba_file_rules')).toEqual([
      { auth_method: 'scram-sha-256' },
    ]);
    const { mode } = await stat(join(directory, 'cluster', 'secrets.json'));
    expect(mode & 0o777).toBe(0o600);
    await embedded.stop();
    expect(await readdir(directory)).toEqual(['cluster']);
  });

  it('keeps its data, and is joined by a command while a broker runs it', async () => {
    const broker = await openStorage(embeddedSettings(), logger);
    await broker.database.query(
      { name: 'one', text: `insert into audit_events (name, body) values ('kept', '')` },
      [],
    );
    const command = await reachStorage(embeddedSettings(), logger);
    expect(await command.database.db.selectFrom('audit_events').select('name').execute()).toEqual([
      { name: 'kept' },
    ]);
    await command.stop();
    expect(await joinEmbedded(directory)).not.toBeNull();
    await broker.stop();
    expect(await joinEmbedded(directory)).toBeNull();
    const alone = await reachStorage(embeddedSettings(), logger);
    expect(await alone.database.db.selectFrom('audit_events').select('name').execute()).toEqual([
      { name: 'kept' },
    ]);
    await alone.stop();
    expect(await joinEmbedded(directory)).toBeNull();
  });

  it('hands none of the environment to its processes', async () => {
    process.env.COUNTERSIGN_CANARY = 'canary';
    const embedded = await startEmbedded(directory, logger);
    const environment = await readFile(`/proc/${embedded.pid()}/environ`, 'utf8');
    await embedded.stop();
    delete process.env.COUNTERSIGN_CANARY;
    expect(environment).toContain('LC_ALL=C');
    expect(environment).not.toContain('canary');
  });

  it('says in one line what to do when its directory cannot be used', async () => {
    await writeFile(join(directory, 'file'), '');
    await expect(startEmbedded(join(directory, 'file', 'below'), logger)).rejects.toThrow(
      /^the embedded database in .* could not be set up: ENOTDIR[^\n]*$/,
    );
  });

  it.runIf(process.getuid?.() === 0)('works for root below a folder that others may not enter', async () => {
    await chmod(directory, 0o700);
    const embedded = await startEmbedded(join(directory, 'below'), logger);
    const owner = await stat(join(directory, 'below', 'cluster', 'data'));
    await embedded.stop();
    expect(owner.uid).toBeGreaterThan(0);
  });

  it('does not start on a damaged directory, and says why', async () => {
    await (await startEmbedded(directory, logger)).stop();
    await rm(join(directory, 'cluster', 'data', 'global', 'pg_control'));
    await expect(startEmbedded(directory, logger)).rejects.toThrow(
      /did not start: [^\n]*global\/pg_control[^\n]*COUNTERSIGN_DATABASE=postgres/,
    );
  });
});
