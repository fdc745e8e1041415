/**
 * Brings the schema up to date and sets the application role's privileges, as the owner role. Migrations only
 * expand, so a database that a newer version has already migrated is good for this one too. Replicas that start
 * together wait for one another: the migrations and the privileges are each made under a lock of the transaction.
 */
import { Kysely, PostgresDialect, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import pg from 'pg';
import { migrations } from '../../migrations/index.ts';
import { NOT_A_DSN } from './database.ts';
import { grantPrivileges } from './privileges.ts';
import type { Tables } from './tables.ts';

/** Any fixed number. */
const PRIVILEGES_LOCK = 0x70726976;
const CONNECT_TIMEOUT_MS = 5_000;
/** A migration waits so long for a table in use, then gives up rather than holding everybody else. */
const LOCK_TIMEOUT_MS = 10_000;

/** Names of the migrations that the database has; empty before the first. */
export const appliedMigrations = async (db: Kysely<Tables>): Promise<string[]> => {
  const { rows } = await sql<{ exists: boolean }>`
    select to_regclass('kysely_migration') is not null as exists`.execute(db);
  if (rows[0]?.exists !== true) return [];
  return (await sql<{ name: string }>`select name from kysely_migration`.execute(db)).rows.map(
    ({ name }) => name,
  );
};

/** Whether the database has every migration of this version. */
export const isMigrated = async (db: Kysely<Tables>): Promise<boolean> => {
  const applied = await appliedMigrations(db);
  return Object.keys(migrations).every((name) => applied.includes(name));
};

/** Migrations of a newer version, which this one passes over. */
const passedOver = (applied: readonly string[]): Record<string, Migration> =>
  Object.fromEntries(
    applied.filter((name) => !(name in migrations)).map((name) => [name, { up: () => Promise.resolve() }]),
  );

const runMigrations = async (db: Kysely<Tables>): Promise<string[]> => {
  const all = { ...migrations, ...passedOver(await appliedMigrations(db)) };
  // None builds on another that is not named before it, so one that was left out may come after later ones.
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(all) },
    allowUnorderedMigrations: true,
  });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
  return results.map(({ migrationName }) => migrationName);
};

/** The role that a connection string names. Throws without repeating it. */
export const roleOf = (dsn: string): string => {
  try {
    return new pg.Client({ connectionString: dsn }).user ?? '';
  } catch {
    throw new Error(NOT_A_DSN);
  }
};

const INSUFFICIENT_PRIVILEGE = '42501';

const reasonOf = (error: unknown): string => {
  if (error instanceof pg.DatabaseError) {
    const advice =
      error.code === INSUFFICIENT_PRIVILEGE
        ? '; run "countersign migrate" with COUNTERSIGN_DATABASE_OWNER, the connection string of the role that owns the schema'
        : '';
    return `${error.message} (${error.code})${advice}`;
  }
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error ? error.message : String(error);
};

/**
 * Runs what migrations are missing, then sets the privileges of `applicationRole` unless that is the owner itself.
 * Safe to repeat and to run from several processes at once. Returns the names of the migrations it ran; throws one
 * line that does not tell the connection string.
 */
export const migrate = async (
  ownerDsn: string,
  { applicationRole }: { readonly applicationRole: string },
): Promise<string[]> => {
  const pool = new pg.Pool({
    connectionString: ownerDsn,
    max: 2,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    application_name: 'countersign migrate',
  });
  pool.on('error', () => undefined);
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  try {
    const ran = await runMigrations(db);
    if (applicationRole !== roleOf(ownerDsn)) {
      await db.transaction().execute(async (trx) => {
        await sql`select pg_advisory_xact_lock(${PRIVILEGES_LOCK})`.execute(trx);
        await grantPrivileges(trx, applicationRole);
      });
    }
    return ran;
  } catch (error) {
    throw new Error(`the database could not be migrated: ${reasonOf(error)}`);
  } finally {
    await db.destroy();
  }
};
