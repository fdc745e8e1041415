/** A fresh database of one test file, opened as the application, with the facts that these tests read from it. */
import pg from 'pg';
import { pino } from 'pino';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { createDatabase } from '../support/database.ts';

type TestDatabase = {
  readonly database: Database;
  readonly applicationDsn: string;
  /** Bodies of the events of that name, in order. */
  readonly events: (name: string) => Promise<Record<string, unknown>[]>;
  /** Every row that applying and activating write, as text. */
  readonly everything: () => Promise<string>;
  /** One more connection as the application (or as the owner), ended with the database. */
  readonly connect: (as?: 'application' | 'owner') => Promise<pg.Client>;
  /** Resolves when exactly `count` connections of this database wait for a lock. */
  readonly waiting: (count: number) => Promise<void>;
  readonly end: () => Promise<void>;
};

const TABLES = ['registry_revisions', 'policy_revisions', 'in_force', 'agents', 'resources', 'audit_events'];

export const openTestDatabase = async (): Promise<TestDatabase> => {
  const { ownerDsn, applicationDsn, drop } = await createDatabase();
  const database = await openDatabase({ dsn: applicationDsn, logger: pino({ level: 'silent' }) });
  const clients: pg.Client[] = [];
  const connect = async (as: 'application' | 'owner' = 'application'): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: as === 'owner' ? ownerDsn : applicationDsn });
    clients.push(client);
    await client.connect();
    return client;
  };
  const owner = await connect('owner');
  return {
    database,
    applicationDsn,
    connect,
    events: async (name) => {
      const { rows } = await owner.query<{ body: Buffer }>(
        'select body from audit_events where name = $1 order by position',
        [name],
      );
      return rows.map(({ body }) => JSON.parse(body.toString()));
    },
    everything: async () => {
      const tables: unknown[][] = [];
      for (const table of TABLES) tables.push((await owner.query(`select * from ${table} order by 1`)).rows);
      return JSON.stringify(tables);
    },
    waiting: async (count) => {
      for (;;) {
        const { rows } = await owner.query<{ waiting: number }>(
          `select count(*)::integer as waiting from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock'`,
        );
        if (rows[0]?.waiting === count) return;
      }
    },
    end: async () => {
      await database.close();
      for (const client of clients) await client.end();
      await drop();
    },
  };
};
