/** How many requests of one agent may wait for people, at the statement itself. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openPending } from '../../src/access/open-pending.ts';
import type { Opening } from '../../src/access/open-request.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { AGENT, decisionWith, opening, seed } from '../support/access.ts';
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

const waiting = (key: string): Opening => opening({ key, decision: decisionWith({}) });
const open = (request: Opening, openMax = 2) => openPending(database, request, openMax);

it('those that are over by time make room, whether or not anybody swept', async () => {
  const first = waiting('first');
  expect(await open(first)).toMatchObject({ token: null });
  expect(await open(waiting('second'))).toMatchObject({ token: null });
  expect(await open(waiting('third'))).toBe('full');
  await sql`update access_requests set expires_at = now() - interval '1 second' where id = ${first.requestId}`.execute(
    database.db,
  );
  expect(await open(waiting('third'))).toMatchObject({ token: null });
  expect(await open(waiting('fourth'))).toBe('full');
});

it('one whose key already stands for a request is overtaken, however full it is', async () => {
  expect(await open(waiting('second'))).toBeNull();
  expect(await open(waiting('nobody'))).toBe('full');
});

it('exactly as many are opened of a crowd at one instant', async () => {
  await sql`update access_requests set state = 'cancelled' where agent_id = ${AGENT} and state = 'pending'`.execute(
    database.db,
  );
  const opened = await Promise.all(Array.from({ length: 10 }, (_, n) => open(waiting(`crowd-${n}`), 3)));
  expect(opened.filter((one) => one !== 'full' && one !== null)).toHaveLength(3);
  expect(opened.filter((one) => one === 'full')).toHaveLength(7);
});
