/** An assertion of a tenant with strict replay has one request open at a time, whoever asks at the same moment. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { expireRequests, revokeGrants } from '../../src/access/end.ts';
import { isAssertionReplay } from '../../src/access/opened-assertions.ts';
import { accessRequests, type Requests } from '../../src/access/requests.ts';
import { sweep } from '../../src/access/sweep.ts';
import { isReplay } from '../../src/access/used-proofs.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { decisionWith, opening, seed, WORKLOAD } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { checkPromises } from '../support/promises.ts';

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let databases: readonly Database[];
let replicas: readonly Requests[];
let database: Database;

beforeAll(async () => {
  fresh = await createDatabase();
  const open = () => openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  databases = [await open(), await open()];
  replicas = databases.map(accessRequests);
  [database] = databases as [Database];
  await seed(database);
});
afterEach(() => checkPromises(database));
afterAll(async () => {
  for (const one of databases) await one.close();
  await fresh.drop();
});

const tomorrow = () => Math.floor(Date.now() / 1000) + 86_400;
const assertion = (changes = {}) => ({
  ...WORKLOAD,
  assertionId: randomUUID(),
  expiresAt: tomorrow(),
  strictReplay: true,
  ...changes,
});
type Change = Parameters<typeof opening>[0];

const outcomeOf = (opened: Promise<unknown>): Promise<unknown> =>
  opened.then(
    (value) => (value === null ? 'overtaken' : 'opened'),
    (error: unknown) => {
      if (isAssertionReplay(error)) return 'refused';
      return isReplay(error) ? 'proof replayed' : error;
    },
  );
const open = (change: Change, replica = 0) => {
  const request = opening(change);
  return outcomeOf(replicas[replica]?.open(request) ?? Promise.reject(new Error('no such replica')));
};
const openPending = (change: Change, replica = 0) =>
  outcomeOf(
    replicas[replica]?.openPending(opening({ decision: decisionWith({}), ...change }), 1_000) ??
      Promise.reject(new Error('no such replica')),
  );

it('opens one of many different requests, asked for at once at two replicas', async () => {
  for (const ask of [open, openPending])
    for (let round = 0; round < 10; round += 1) {
      const workload = assertion();
      const outcomes = await Promise.all(Array.from({ length: 10 }, (_, n) => ask({ workload }, n % 2)));
      expect(outcomes.toSorted()).toEqual(['opened', ...Array(9).fill('refused')]);
    }
});

it('opens nothing, and leaves no trace, where it refuses', async () => {
  const workload = assertion();
  expect(await open({ workload })).toBe('opened');
  const request = opening({ workload, proof: 'unspent' });
  expect(await outcomeOf(accessRequests(database).open(request))).toBe('refused');
  const { rows } = await sql`
    select from request_keys where request_id = ${request.requestId}
    union all select from access_requests where id = ${request.requestId}
    union all select from audit_events where request_id = ${request.requestId}
    union all select from used_proofs where digest = 'unspent'`.execute(database.db);
  expect(rows).toEqual([]);
});

it('opens the next request when the one before is over, however it ended', async () => {
  const workload = assertion();
  const first = opening({ workload });
  await accessRequests(database).open(first);
  const ended = { requestId: first.requestId, agentId: first.on.agentId };
  await revokeGrants(database, [{ ...ended, grantId: first.permitted?.grantId ?? '' }], {
    by: 'test',
    cause: 'test',
    endedBy: null,
  });
  const second = opening({ workload, decision: decisionWith({ pendingSeconds: 60 }) });
  expect(await accessRequests(database).openPending(second, 1_000)).not.toBeNull();
  expect(await open({ workload })).toBe('refused');
  const owner = await openDatabase({ dsn: fresh.ownerDsn, logger: pino({ enabled: false }) });
  await sql`update access_requests set expires_at = now() where id = ${second.requestId}`.execute(owner.db);
  await owner.close();
  await expireRequests(database, [{ ...ended, requestId: second.requestId, grantId: null }]);
  expect(await open({ workload })).toBe('opened');
});

it('lets the same request be opened anew, and callers of one request find it', async () => {
  const workload = assertion();
  const first = opening({ workload, key: 'same' });
  await accessRequests(database).open(first);
  expect(await open({ workload, key: 'same' })).toBe('overtaken');
  expect(await open({ workload, key: 'same', replaces: first.requestId })).toBe('opened');
});

it('is told by tenant and uti: another uti, and the same of another tenant, are other assertions', async () => {
  const workload = assertion();
  expect(await open({ workload })).toBe('opened');
  expect(await open({ workload: { ...workload, digest: 'other bytes' } })).toBe('refused');
  expect(await open({ workload: { ...workload, tenantId: randomUUID() } })).toBe('opened');
  expect(await open({ workload: assertion() })).toBe('opened');
});

it('is no reason against others of the same moment, whose proofs stay good', async () => {
  const workload = assertion();
  expect(await open({ workload })).toBe('opened');
  const asked = [
    openPending({ workload }),
    openPending({ workload: assertion(), proof: 'good' }),
    open({ workload, proof: 'kept' }),
    open({ workload: assertion(), proof: 'fine' }),
    open({}),
  ];
  expect(await Promise.all(asked)).toEqual(['refused', 'opened', 'refused', 'opened', 'opened']);
  expect(await open({ workload: assertion(), proof: 'fine' })).toBe('proof replayed');
});

it('is forgotten when it is over', async () => {
  const over = assertion({ expiresAt: Math.floor(Date.now() / 1000) - 301 });
  const good = assertion();
  await Promise.all([open({ workload: over }), open({ workload: good })]);
  await sweep(database);
  const { rows } = await sql<{ assertion_id: string }>`select assertion_id from opened_assertions
    where assertion_id in (${over.assertionId}, ${good.assertionId})`.execute(database.db);
  expect(rows).toEqual([{ assertion_id: good.assertionId }]);
});
