/**
 * PostgreSQL as the rest of the broker sees it: kysely for everything, one named prepared statement a call for the
 * exchange path, and a pool of its own for pages, so that reading people never keep exchanges waiting.
 *
 * No call outlives its deadline: a server that is down, stalled or unreachable is `DatabaseUnavailable` within 1.5 s,
 * also for what is in flight, because a stalled server answers nothing and no timeout of its own applies. A
 * connection that missed a deadline is closed, never reused. Nothing here depends on session state.
 */
import { Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Tables } from './tables.ts';

/** One prepared statement; the name stands for exactly this text on every connection. */
export type Statement = { readonly name: string; readonly text: string };

export type Database = {
  readonly db: Kysely<Tables>;
  /** The same database through a small pool of its own, for the console's pages and lists. */
  readonly pages: Kysely<Tables>;
  /**
   * Runs one named prepared statement by itself (the exchange path). Throws `DatabaseUnavailable`, or the
   * server's error for a conflict or a bug.
   */
  readonly query: <Row>(statement: Statement, values: readonly unknown[]) => Promise<Row[]>;
  readonly close: () => Promise<void>;
};

/** The database did not do what was asked, for no fault of the request: 503, and worth trying again. */
export class DatabaseUnavailable extends Error {
  /** An outage passes or it does not: asking again soon costs little. */
  readonly retryAfterSeconds = 1;
  /** SQLSTATE of the server or code of the system (`ECONNREFUSED`), if there was one. */
  readonly code: string | null;

  constructor(reason: string, code: string | null = null) {
    super(`the database is unavailable: ${reason}`);
    this.name = 'DatabaseUnavailable';
    this.code = code;
  }
}

/** Never with the string itself, which holds a password. */
export const NOT_A_DSN = 'not a PostgreSQL connection string (postgres://user:password@host:5432/database)';

/** Getting a connection and one statement together; 100 ms below the 1.5 s in which an outage must be told. */
const DEADLINE_MS = 1_400;
/** Getting a connection, new or from a busy pool. */
const CONNECT_TIMEOUT_MS = 1_000;
/** The server's own limits end what the broker has given up on. */
const SERVER_LIMITS = {
  statement_timeout: 2_000,
  lock_timeout: 500,
  idle_in_transaction_session_timeout: 5_000,
} as const;
/** An exchange is one statement, so a few connections keep PostgreSQL busy; more only wait inside it. */
const MAIN_CONNECTIONS = 10;
const PAGE_CONNECTIONS = 3;
const IDLE_CONNECTION_MS = 60_000;

/**
 * SQLSTATEs that tell of the server's condition, not of the statement: connection, authorization, resources,
 * operator intervention, system and internal errors, lock timeout, a read-only standby, a foreign trigger's refusal,
 * and privileges that were taken away.
 */
const UNAVAILABLE = /^(08|28|3D|53|57|58|F0|P0|XX)|^(25006|25P0[34]|42501|55P03)$/;

/** Takes row values out of a server's error (they may be secrets) and tells outages from everything else. */
const translate = (error: unknown, connectionLost: boolean): unknown => {
  if (error instanceof DatabaseUnavailable) return error;
  if (error instanceof pg.DatabaseError) {
    if (error.code !== undefined && UNAVAILABLE.test(error.code)) {
      return new DatabaseUnavailable(error.message, error.code);
    }
    error.detail = undefined;
    error.where = undefined;
    return error;
  }
  return connectionLost ? connectionTrouble(error) : error;
};

/** What went wrong with a connection, without its address or user. */
const connectionTrouble = (error: unknown): DatabaseUnavailable => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : null;
  return new DatabaseUnavailable(code ?? 'no connection', code);
};

const INT8_OID = 20;
/** int8 and count as number: nothing counted here comes near 2^53. */
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

type QueryConfig = { readonly name?: string; readonly text: string; readonly values: readonly unknown[] };
type Connection = {
  readonly query: (config: QueryConfig) => Promise<pg.QueryResult>;
  readonly release: () => void;
};

/** Settles as `work` does, or rejects at the deadline; `work` is then left behind. */
const withDeadline = <T>(work: Promise<T>, milliseconds: number, onMissed: () => void): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      onMissed();
      reject(new DatabaseUnavailable('no answer in time'));
    }, milliseconds);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });

/**
 * The exchange's statements are planned once. Left to guess, PostgreSQL takes a plan made for two rows to be cheaper than
 * one made for any number, and plans anew at each call, which costs more than the call.
 */
const PLAN_ONCE = '-c plan_cache_mode=force_generic_plan';

type PoolSettings = { readonly logger: Logger; readonly options?: string };

const openPool = (dsn: string, max: number, { logger, options }: PoolSettings) => {
  const pool = new pg.Pool({
    connectionString: dsn,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_CONNECTION_MS,
    keepAlive: true,
    application_name: 'countersign',
    types,
    options,
    ...SERVER_LIMITS,
  });
  const lost = new WeakSet<pg.PoolClient>();
  pool.on('connect', (client) => client.on('error', () => lost.add(client)));
  pool.on('error', (error) => logger.warn({ reason: connectionTrouble(error).message }, 'connection lost'));

  const acquire = async (): Promise<Connection> => {
    const asked = performance.now();
    const client = await pool.connect().catch((error: unknown) => {
      throw translate(error, true);
    });
    let left = DEADLINE_MS - (performance.now() - asked);
    const query = async (config: QueryConfig): Promise<pg.QueryResult> => {
      if (lost.has(client)) throw new DatabaseUnavailable('no connection');
      const deadline = left;
      left = DEADLINE_MS;
      try {
        return await withDeadline(client.query({ ...config, values: [...config.values] }), deadline, () =>
          lost.add(client),
        );
      } catch (error) {
        throw translate(error, lost.has(client));
      }
    };
    /** A connection inside a transaction is never handed on. */
    const release = () => client.release(lost.has(client) || client.getTransactionStatus() !== 'I');
    return { query, release };
  };
  return { acquire, end: () => pool.end(), options: {} };
};

type Pool = ReturnType<typeof openPool>;

const kyselyOn = (pool: Pool): Kysely<Tables> =>
  new Kysely<Tables>({
    dialect: new PostgresDialect({
      pool: {
        options: pool.options,
        end: pool.end,
        connect: async () => {
          const connection = await pool.acquire();
          const query = (text: string, values: readonly unknown[]) => connection.query({ text, values });
          // Its second form takes cursors, which kysely uses only where the dialect is given one.
          return { query: query as unknown as PostgresPoolClient['query'], release: connection.release };
        },
      },
    }),
  });

/**
 * Opens both pools and proves with one query that the database answers. Throws `DatabaseUnavailable` if it does not,
 * and a plain error if `dsn` is no connection string; neither tells the connection string.
 */
export const openDatabase = async ({
  dsn,
  logger,
}: {
  readonly dsn: string;
  readonly logger: Logger;
}): Promise<Database> => {
  try {
    new pg.Client({ connectionString: dsn });
  } catch {
    throw new Error(NOT_A_DSN);
  }
  const main = openPool(dsn, MAIN_CONNECTIONS, { logger, options: PLAN_ONCE });
  const reading = openPool(dsn, PAGE_CONNECTIONS, { logger });
  const query = async <Row>({ name, text }: Statement, values: readonly unknown[]): Promise<Row[]> => {
    const connection = await main.acquire();
    try {
      return (await connection.query({ name, text, values })).rows as Row[];
    } finally {
      connection.release();
    }
  };
  const close = async (): Promise<void> => {
    await Promise.all([main.end(), reading.end()]);
  };
  try {
    await query({ name: 'ping', text: 'select 1' }, []);
  } catch (error) {
    await close();
    throw error;
  }
  return { db: kyselyOn(main), pages: kyselyOn(reading), query, close };
};
