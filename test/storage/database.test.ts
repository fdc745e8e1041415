import { Writable } from 'node:stream';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Database, DatabaseUnavailable, openDatabase } from '../../src/storage/database.ts';
import {
  createDatabase,
  type PrivateDatabase,
  startPrivateDatabase,
  type TestDatabase,
} from '../support/database.ts';

/** In which an outage must be told. */
const OUTAGE_TOLD_MS = 1_500;
/** What a loaded machine may add to a timer. */
const SLACK_MS = 5_000;

const PING = { name: 'one', text: 'select 1 as one' };
const INSERT = {
  name: 'tell',
  text: `insert into audit_events (name, body) values ($1, $2) returning position`,
};
const WAIT = { name: 'wait', text: 'select pg_sleep(10)' };

const logged: string[] = [];
const logger = pino(
  new Writable({
    write: (line: Buffer, _, done) => {
      logged.push(line.toString());
      done();
    },
  }),
);

describe('a database', () => {
  let test: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    test = await createDatabase();
    database = await openDatabase({ dsn: test.applicationDsn, logger });
  });
  afterAll(async () => {
    await database.close();
    await test.drop();
  });

  it('reads int8 and count as numbers, times as dates, bytes as buffers, JSON parsed', async () => {
    await database.query(INSERT, ['request.opened', Buffer.from('{"v":1}')]);
    const row = await database.db
      .selectFrom('audit_events')
      .select(['position', 'recorded_at', 'body', (at) => at.fn.countAll<number>().over().as('count')])
      .executeTakeFirstOrThrow();
    expect(row).toEqual({
      position: 1,
      recorded_at: expect.any(Date),
      body: Buffer.from('{"v":1}'),
      count: 1,
    });
    const json = await sql<{ document: unknown }>`select '{"a":[1]}'::jsonb as document`.execute(
      database.pages,
    );
    expect(json.rows).toEqual([{ document: { a: [1] } }]);
  });

  it('prepares a named statement once a connection', async () => {
    await Promise.all([1, 2, 3].map(() => database.query(PING, [])));
    const rows = await database.query<{ statement: string; calls: number }>(
      {
        name: 'prepared',
        text: `select statement, generic_plans + custom_plans as calls from pg_prepared_statements where name = 'one'`,
      },
      [],
    );
    expect(rows).toEqual([{ statement: PING.text, calls: expect.any(Number) }]);
  });

  it('rolls a failed transaction back and hands out a connection outside any', async () => {
    const failed = database.db.transaction().execute(async (trx) => {
      await trx
        .insertInto('audit_events')
        .values({ name: 'policy.failed', body: Buffer.from('') })
        .execute();
      throw new Error('a bug');
    });
    await expect(failed).rejects.toThrow('a bug');
    const { rows } = await sql<{ found: number; started: boolean }>`
      select count(*) filter (where name = 'policy.failed') as found, now() = statement_timestamp() as started
      from audit_events`.execute(database.db);
    expect(rows).toEqual([{ found: 0, started: true }]);
  });

  it('gives a conflict as the server tells it, without the values of the row', async () => {
    const insert = { name: 'secret', text: `insert into sign_ins values ($1, $2, $3, '/', now())` };
    const values = [Buffer.from('a'), Buffer.from('b'), '"canary-verifier"'];
    await database.query(insert, values);
    const error = await database.query(insert, values).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: '23505' });
    const broken = await database
      .query({ name: 'broken', text: 'insert into sign_ins (state_hash, secrets) values ($1, $2)' }, [
        Buffer.from('c'),
        '"canary-verifier"',
      ])
      .catch((thrown: unknown) => thrown);
    expect(broken).toMatchObject({ code: '23502' });
    for (const thrown of [error, broken]) {
      expect(JSON.stringify({ ...(thrown as object), message: String(thrown) })).not.toMatch(/canary|\\x63/);
    }
  });

  it('keeps pages from exchanges: every page connection busy, a query goes on', async () => {
    const busy = Promise.allSettled([1, 2, 3].map(() => sql`select pg_sleep(1)`.execute(database.pages)));
    expect(await database.query(PING, [])).toEqual([{ one: 1 }]);
    await busy;
  });

  it.each([
    ['a statement that never ends', WAIT],
    ['a trigger of somebody else', { name: 'raise', text: `do $$ begin raise exception 'no'; end $$` }],
    ['a privilege that was taken', { name: 'taken', text: 'delete from tokens' }],
  ])('is unavailable within 1.5 s for %s', async (_, statement) => {
    const asked = performance.now();
    await expect(database.query(statement, [])).rejects.toBeInstanceOf(DatabaseUnavailable);
    expect(performance.now() - asked).toBeLessThan(OUTAGE_TOLD_MS + SLACK_MS);
    expect(await database.query(PING, [])).toEqual([{ one: 1 }]);
  });

  it('has the server end what was given up', async () => {
    const { rows } = await sql<Record<string, string>>`
      select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
        current_setting('idle_in_transaction_session_timeout') as idle`.execute(database.db);
    expect(rows).toEqual([{ statement: '2s', lock: '500ms', idle: '5s' }]);
  });

  it('refuses what is no connection string without repeating it', async () => {
    for (const dsn of ['postgres://user:canary@:port/', 'postgres://user:canary@[/x']) {
      const error = await openDatabase({ dsn, logger }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Error);
      expect(JSON.stringify(error) + String(error)).not.toContain('canary');
    }
  });
});

describe('an outage', () => {
  let server: PrivateDatabase;
  let database: Database;
  beforeAll(async () => {
    server = await startPrivateDatabase();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    database = await openDatabase({ dsn: server.applicationDsn, logger });
  });
  afterEach(() => database.close());

  /** Runs all of `calls`, which must each be told of the outage in time. */
  const expectOutage = async (calls: readonly (() => Promise<unknown>)[]): Promise<void> => {
    const from = performance.now();
    const told = await Promise.all(
      calls.map((call) =>
        call().then(
          () => 'answered',
          (error: unknown) => [error, performance.now() - from] as const,
        ),
      ),
    );
    for (const [error, milliseconds] of told as [unknown, number][]) {
      expect(error).toBeInstanceOf(DatabaseUnavailable);
      expect(milliseconds).toBeLessThan(OUTAGE_TOLD_MS + SLACK_MS);
    }
  };
  const everyWay = (): (() => Promise<unknown>)[] => [
    ...Array.from({ length: 30 }, () => () => database.query(PING, [])),
    () => sql`select 1`.execute(database.db),
    () => sql`select 1`.execute(database.pages),
    () => database.db.transaction().execute((trx) => sql`select 1`.execute(trx)),
  ];

  it('is told in time when the server is stalled, and is over when it goes on', async () => {
    await database.query(PING, []);
    await server.pause();
    try {
      await expectOutage(everyWay());
      await expectOutage(everyWay());
    } finally {
      await server.resume();
    }
    expect(await database.query(PING, [])).toEqual([{ one: 1 }]);
  });

  it('is told in time in the middle of a transaction, of which nothing is kept', async () => {
    const inTransaction = database.db.transaction().execute(async (trx) => {
      await trx
        .insertInto('audit_events')
        .values({ name: 'policy.failed', body: Buffer.from('') })
        .execute();
      await server.pause();
      await expectOutage([() => sql`select 1`.execute(trx)]);
      const asked = performance.now();
      await expect(sql`select 1`.execute(trx)).rejects.toBeInstanceOf(DatabaseUnavailable);
      expect(performance.now() - asked).toBeLessThan(1_000);
      throw new DatabaseUnavailable('no answer in time');
    });
    await expect(inTransaction).rejects.toBeInstanceOf(DatabaseUnavailable);
    await server.resume();
    expect(
      await database.query({ name: 'count', text: 'select count(*) as n from audit_events' }, []),
    ).toEqual([{ n: 0 }]);
  });

  it('is told at once when the server ends, in flight and afterwards, and is over when it is back', async () => {
    const inFlight = database
      .query({ name: 'second', text: 'select pg_sleep(1)' }, [])
      .catch((error: unknown) => error);
    await database.query(PING, []);
    await server.stop();
    expect(await inFlight).toBeInstanceOf(DatabaseUnavailable);
    await expectOutage(everyWay());
    await server.start();
    expect(await database.query(PING, [])).toEqual([{ one: 1 }]);
    await Promise.all(Array.from({ length: 30 }, () => database.query(PING, [])));
  });

  it('is told when the process at the other end dies without a word', async () => {
    const told = database.db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
      process.kill(rows[0]?.pid ?? 0, 'SIGKILL');
      await sql`select pg_sleep(1)`.execute(trx);
    });
    await expect(told).rejects.toBeInstanceOf(DatabaseUnavailable);
    for (;;) {
      const answer = await database.query(PING, []).catch(() => null);
      if (answer !== null) return;
    }
  });

  it('stops the start when nothing answers', async () => {
    await server.stop();
    await expect(openDatabase({ dsn: server.applicationDsn, logger })).rejects.toBeInstanceOf(
      DatabaseUnavailable,
    );
    await server.start();
  });

  it('never tells the connection string', () => {
    const { password, port } = new URL(server.applicationDsn);
    expect(logged.join('')).toContain('connection lost');
    expect(logged.join('')).not.toContain(password);
    expect(logged.join('')).not.toContain(port);
  });
});
