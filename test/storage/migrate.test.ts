import pg from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrations } from '../../migrations/index.ts';
import { migrate } from '../../src/storage/migrate.ts';
import { openStorage } from '../../src/storage/open-storage.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const ALL = Object.keys(migrations);
const ROLE = { applicationRole: 'countersign' };
const logger = pino({ level: 'silent' });

let test: TestDatabase;
let owner: pg.Client;
beforeEach(async () => {
  test = await createDatabase('empty');
  owner = new pg.Client({ connectionString: test.ownerDsn });
  await owner.connect();
});
afterEach(async () => {
  await owner.end();
  await test.drop();
});

/** Every privilege on a table, as text. */
const privileges = async (): Promise<unknown[]> =>
  (await owner.query(`select relname, relacl::text from pg_class where relkind = 'r' order by relname`)).rows;

describe('migrating', () => {
  it('runs every migration once and sets the privileges the same each time', async () => {
    expect(await migrate(test.ownerDsn, ROLE)).toEqual(ALL);
    const first = await privileges();
    expect(await migrate(test.ownerDsn, ROLE)).toEqual([]);
    expect(await privileges()).toEqual(first);
  });

  it('takes back what the application role was given besides', async () => {
    await migrate(test.ownerDsn, ROLE);
    await owner.query('grant delete on audit_events to countersign');
    await migrate(test.ownerDsn, ROLE);
    const { rows } = await owner.query(
      `select has_table_privilege('countersign', 'audit_events', 'delete') as may`,
    );
    expect(rows).toEqual([{ may: false }]);
  });

  it('lets processes that start together each succeed, and one of them migrate', async () => {
    const ran = await Promise.all([1, 2, 3, 4].map(() => migrate(test.ownerDsn, ROLE)));
    expect(ran.filter((names) => names.length > 0)).toEqual([ALL]);
  });

  it('accepts a database that a newer version has migrated', async () => {
    await migrate(test.ownerDsn, ROLE);
    await owner.query(
      `insert into kysely_migration (name, timestamp) values ('9999-newer', '2030-01-01T00:00:00Z')`,
    );
    expect(await migrate(test.ownerDsn, ROLE)).toEqual([]);
  });

  it('runs a migration that was left out before later ones', async () => {
    await migrate(test.ownerDsn, ROLE);
    await owner.query('drop function demand_in_force');
    await owner.query(`delete from kysely_migration where name = '0012-still-in-force'`);
    expect(await migrate(test.ownerDsn, ROLE)).toEqual(['0012-still-in-force']);
  });

  it('names the role that is missing and never the connection string', async () => {
    await expect(migrate(test.ownerDsn, { applicationRole: 'nobody-known' })).rejects.toThrow(
      /could not be migrated: role "nobody-known" does not exist/,
    );
    const wrong = new URL(test.ownerDsn);
    wrong.password = 'canary-password';
    const failure = await migrate(wrong.href, ROLE).catch((error: unknown) => String(error));
    expect(failure).toMatch(/password authentication failed/);
    expect(failure).not.toMatch(/canary|postgres:/);
  });
});

describe('opening storage', () => {
  it('migrates with a single connection string and says what that weakens', async () => {
    const storage = await openStorage({ kind: 'postgres', dsn: test.ownerDsn, ownerDsn: null }, logger);
    const events = await storage.database.db.selectFrom('audit_events').select('position').execute();
    await storage.stop();
    expect(events).toEqual([]);
    expect(storage.weaknesses).toHaveLength(3);
  });

  it('migrates as the owner and works as the application role, which weakens nothing', async () => {
    const settings = { kind: 'postgres', dsn: test.applicationDsn, ownerDsn: test.ownerDsn } as const;
    const storage = await openStorage(settings, logger);
    await storage.stop();
    expect(storage.weaknesses).toEqual([]);
  });

  it('needs no owner once the database is migrated', async () => {
    await migrate(test.ownerDsn, ROLE);
    const storage = await openStorage({ kind: 'postgres', dsn: test.applicationDsn, ownerDsn: null }, logger);
    await storage.stop();
    expect(storage.weaknesses).toEqual([]);
  });

  it('says what to do when the application role alone meets an empty database', async () => {
    await expect(
      openStorage({ kind: 'postgres', dsn: test.applicationDsn, ownerDsn: null }, logger),
    ).rejects.toThrow(/permission denied.*run "countersign migrate" with COUNTERSIGN_DATABASE_OWNER/);
  });
});
