import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/storage/database.ts';
import { findWeaknesses } from '../../src/storage/privileges.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let test: TestDatabase;
let application: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  test = await createDatabase();
  application = new pg.Client({ connectionString: test.applicationDsn });
  owner = new pg.Client({ connectionString: test.ownerDsn });
  await application.connect();
  await owner.connect();
  await application.query(`insert into audit_events (name, body) values ('request.opened', '{}')`);
});
afterAll(async () => {
  await application.end();
  await owner.end();
  await test.drop();
});

const INSUFFICIENT_PRIVILEGE = '42501';

describe('the application role', () => {
  it.each([
    `update audit_events set name = 'x'`,
    `update audit_events set position = default`,
    'delete from audit_events',
    'truncate audit_events',
    'truncate access_requests cascade',
    'select from audit_events for update',
    `merge into audit_events a using in_force f on true when matched then delete`,
    'grant all on all tables in schema public to public',
    'grant countersign_owner to countersign',
    'alter table audit_events owner to countersign',
    'alter table audit_events add column more text',
    'alter table audit_events disable trigger all',
    'alter table audit_events rename to other_events',
    'alter table audit_events set unlogged',
    'drop table audit_events',
    'drop schema public cascade',
    'create rule quiet as on insert to audit_events do instead nothing',
    'create function f() returns trigger language plpgsql as $$ begin return null; end $$',
    'create table audit_copies (x int)',
    'create temporary table audit_events (x int)',
    'set role countersign_owner',
    'set session authorization countersign_owner',
    `set session_replication_role = 'replica'`,
    `copy audit_events from program 'true'`,
    `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'countersign_owner'`,
    'update votes set reason = $$$$',
    'delete from votes',
    'delete from tokens',
    'update policy_revisions set revision = revision',
    'delete from kysely_migration',
    `insert into in_force (singleton) values (true)`,
  ])('is refused: %s', async (statement) => {
    await expect(application.query(statement)).rejects.toMatchObject({ code: INSUFFICIENT_PRIVILEGE });
    const { rows } = await owner.query('select name from audit_events');
    expect(rows).toEqual([{ name: 'request.opened' }]);
  });

  it.each([
    'grant update on audit_events to countersign',
    'revoke insert on audit_events from countersign_owner',
    'alter default privileges for role countersign grant all on tables to countersign',
  ])('changes no privilege on the events by: %s', async (statement) => {
    const privileges = `select relacl::text from pg_class where oid = 'audit_events'::regclass`;
    const before = (await owner.query(privileges)).rows;
    await application.query(statement);
    expect((await owner.query(privileges)).rows).toEqual(before);
  });

  it('owns nothing and is no member of any role', async () => {
    const { rows } = await owner.query(`
      select (select count(*)::int from pg_class where relowner = r.oid) as relations,
        (select count(*)::int from pg_database where datdba = r.oid) as databases,
        (select count(*)::int from pg_auth_members where member = r.oid) as memberships,
        rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication as powerful
      from pg_roles r where rolname = 'countersign'`);
    expect(rows).toEqual([{ relations: 0, databases: 0, memberships: 0, powerful: false }]);
  });

  it('has a privilege on every table but those of migrations', async () => {
    const { rows } = await owner.query<{ relname: string }>(`
      select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
        and not has_table_privilege('countersign', oid, 'insert')
        and not has_table_privilege('countersign', oid, 'update')`);
    expect(rows.map(({ relname }) => relname).sort()).toEqual(['kysely_migration', 'kysely_migration_lock']);
  });
});

describe('what the roles weaken', () => {
  const weaknessesOf = async (dsn: string): Promise<string[]> => {
    const database = await openDatabase({ dsn, logger: pino({ level: 'silent' }) });
    try {
      return await findWeaknesses(database.db);
    } finally {
      await database.close();
    }
  };

  it('is nothing when the broker works as the application role', async () => {
    expect(await weaknessesOf(test.applicationDsn)).toEqual([]);
  });

  it('is told when the broker works as the owner', async () => {
    expect(await weaknessesOf(test.ownerDsn)).toEqual([
      expect.stringMatching(
        /^the database role of the broker owns the audit events.*COUNTERSIGN_DATABASE_OWNER$/,
      ),
      expect.stringMatching(/^the database role of the broker may change, delete or truncate audit events/),
      expect.stringMatching(/^the database role of the broker may create objects/),
    ]);
  });

  it('is told when the application role was given a single column to change', async () => {
    await owner.query('grant update (body) on audit_events to countersign');
    const found = await weaknessesOf(test.applicationDsn);
    await owner.query('revoke update (body) on audit_events from countersign');
    expect(found).toEqual([expect.stringMatching(/may change/)]);
  });
});
