/** Sign-ins under way are many at most, however many addresses begin them; each is good for one return. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newSecret } from '../../src/console/cookies.ts';
import { beginSignIn, SIGN_IN_SECONDS, SIGN_INS_MAX, takeSignIn } from '../../src/console/sign-ins.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let fresh: TestDatabase;
let database: Database;

beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
});
afterAll(async () => {
  await database.close();
  await fresh.drop();
});
beforeEach(async () => {
  await sql`delete from sign_ins`.execute(database.db);
});

const browser = newSecret();
const begin = async (): Promise<string> =>
  (await beginSignIn(database, { browser, returnTo: '/audit' })).state;
const take = (state: string) => takeSignIn(database, { state, browser });

/** Begun by strangers, one after the other, the last just now. */
const flood = (count: number) =>
  sql`
    insert into sign_ins (state_hash, browser_hash, secrets, return_to, expires_at)
    select sha256(gen_random_uuid()::text::bytea), '\\x00', '{}', '/',
      now() + make_interval(secs => ${SIGN_IN_SECONDS} * n / ${count}::float)
    from generate_series(1, ${count}::int) n`.execute(database.db);

const count = async (): Promise<number> =>
  (await sql<{ count: number }>`select count(*) as count from sign_ins`.execute(database.db)).rows[0]
    ?.count ?? -1;

describe('sign-ins under way', () => {
  it('are forgotten, the oldest first, where there are too many', async () => {
    const early = await begin();
    await flood(SIGN_INS_MAX);
    const late = await begin();
    expect(await count()).toBe(SIGN_INS_MAX);
    expect(await take(late)).toMatchObject({ returnTo: '/audit' });
    expect(await take(late)).toBeNull();
    // Only strangers' older ones had to go.
    expect(await take(early)).not.toBeNull();
  });

  it('stay as many when they are begun at once', async () => {
    await flood(SIGN_INS_MAX);
    const states = await Promise.all(Array.from({ length: 40 }, begin));
    await begin();
    expect(await count()).toBeLessThanOrEqual(SIGN_INS_MAX);
    for (const state of states) expect(await take(state)).not.toBeNull();
  });

  it('are each taken once by two who come at once', async () => {
    const state = await begin();
    const taken = await Promise.all([take(state), take(state)]);
    expect(taken.filter((signIn) => signIn !== null)).toHaveLength(1);
  });
});
