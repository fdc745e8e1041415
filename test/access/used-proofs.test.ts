/** A proof of possession is good once, also among strangers who share a statement. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { accessRequests } from '../../src/access/requests.ts';
import { isReplay } from '../../src/access/used-proofs.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { opening, seed } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { checkPromises } from '../support/promises.ts';

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  await seed(database);
});
afterEach(() => checkPromises(database));
afterAll(async () => {
  await database.close();
  await fresh.drop();
});

it('opens or refuses each request of one moment by its own proof, which is used only for what was opened', async () => {
  const requests = accessRequests(database);
  expect(await requests.open(opening({ proof: 'used' }))).not.toBeNull();
  const again = opening({ proof: 'used' });
  const openings = [
    again,
    opening({ proof: 'twice' }),
    opening({ proof: 'twice' }),
    opening({ proof: 'unused', policyRevision: 'another' }),
    opening({ proof: 'one' }),
    opening({ proof: 'two' }),
    opening({}),
  ];
  const outcomes = await Promise.all(
    openings.map((one) =>
      requests.open(one).then(
        (opened) => (opened === null ? 'overtaken' : 'opened'),
        (error: unknown) => (isReplay(error) ? 'replayed' : error),
      ),
    ),
  );
  const [first, second, third, ...others] = outcomes;
  expect([first, ...others]).toEqual(['replayed', 'overtaken', 'opened', 'opened', 'opened']);
  expect([second, third].sort()).toEqual(['opened', 'replayed']);
  const told = await sql`select from audit_events where request_id = ${again.requestId}`.execute(database.db);
  expect(told.rows).toEqual([]);
  const { rows } = await sql<{ digest: string }>`select digest from used_proofs order by 1`.execute(
    database.db,
  );
  expect(rows.map(({ digest }) => digest)).toEqual(['one', 'twice', 'two', 'used']);
});
