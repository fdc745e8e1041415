/** The exchange's statements are planned once, maybe before there are rows: their plans must be those for many. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FIND_SETTLED } from '../../src/access/await-decisions.ts';
import { FIND_LIVE_TOKEN } from '../../src/access/find-live-token.ts';
import { FIND } from '../../src/access/find-request.ts';
import {
  MINT_BOUND_TOKEN,
  MINT_TOKEN,
  REDELIVER_BOUND_TOKEN,
  REDELIVER_TOKEN,
} from '../../src/access/issue-token.ts';
import { OPEN, OPEN_PROVEN, OPEN_SINGLE } from '../../src/access/open-request.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { createDatabase } from '../support/database.ts';

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
});
afterAll(async () => {
  await database.close();
  await fresh.drop();
});

const planOf = async (text: string): Promise<string> => {
  const { rows } = await sql
    .raw<{ 'QUERY PLAN': string }>(`explain (generic_plan) ${text}`)
    .execute(database.db);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
};

describe('in a database that is empty and was never analyzed', () => {
  it.each([
    FIND,
    FIND_LIVE_TOKEN,
    FIND_SETTLED,
    OPEN,
    OPEN_PROVEN,
    OPEN_SINGLE,
    MINT_TOKEN,
    MINT_BOUND_TOKEN,
    REDELIVER_TOKEN,
    REDELIVER_BOUND_TOKEN,
  ])('$name looks every row up by its key', async ({ text }) => {
    const scanned = [...(await planOf(text)).matchAll(/Seq Scan on (\w+)/g)].map(([, table]) => table);
    expect(new Set([...scanned, 'in_force'])).toEqual(new Set(['in_force']));
  });
});

it('plans the statements of an exchange once, and those of the pages for each question', async () => {
  const mode = sql<{ plan_cache_mode: string }>`show plan_cache_mode`;
  expect((await mode.execute(database.db)).rows).toEqual([{ plan_cache_mode: 'force_generic_plan' }]);
  expect((await mode.execute(database.pages)).rows).toEqual([{ plan_cache_mode: 'auto' }]);
});
