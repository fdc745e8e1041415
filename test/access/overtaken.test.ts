/** Statements that wait for a row while another policy comes into force: what they were decided on is gone (I4, I8). */
import { sql } from 'kysely';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mintToken, redeliverToken } from '../../src/access/issue-token.ts';
import { openRequests } from '../../src/access/open-request.ts';
import { accessRequests } from '../../src/access/requests.ts';
import { newTokenId } from '../../src/ids.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { AGENT, DECIDED_ON, decisionWith, opening, seed } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { untilWaiting } from '../support/locks.ts';
import { checkPromises } from '../support/promises.ts';

const NOTE = { reason: 'stricter', appliedBy: 'test' };
const NOTHING = new Uint8Array();

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
let other: pg.Client;
beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  await seed(database);
  other = new pg.Client({ connectionString: fresh.applicationDsn });
  await other.connect();
});
afterEach(async () => {
  await activatePolicy(database, NOTHING, DECIDED_ON.policyRevision, NOTE);
  await checkPromises(database);
});
afterAll(async () => {
  await other.end();
  await database.close();
  await fresh.drop();
});

/** What `work` comes to if it waits at the row that `lock` holds until another policy is in force. */
const overtaken = async <Result>(lock: string, work: () => Promise<Result>): Promise<Result> => {
  await other.query('begin');
  await other.query(lock);
  const done = work();
  await untilWaiting(database);
  await activatePolicy(database, NOTHING, 'bundle-2', NOTE);
  await other.query('commit');
  return done;
};

const eventsOf = async (requestId: string): Promise<string[]> =>
  (
    await sql<{ name: string }>`
      select name from audit_events where request_id = ${requestId} order by position`.execute(database.db)
  ).rows.map(({ name }) => name);

const permitted = async () => {
  const asked = opening({});
  const [opened] = await openRequests(database, [asked]);
  if (!opened || asked.permitted === null) throw new Error('nothing was opened');
  const { grantId, jti } = asked.permitted;
  return { requestId: asked.requestId, grantId, jti, told: await eventsOf(asked.requestId) };
};

const tokensOf = async (grantId: string): Promise<unknown[]> =>
  (await sql`select jti, state from tokens where grant_id = ${grantId}`.execute(database.db)).rows;

const AGENT_HELD = `select from agents where id = '${AGENT}' for update`;
const held = (grantId: string): string => `select from grants where id = '${grantId}' for update`;

describe('what waited while another policy came into force', () => {
  it.each(['agent', 'grant'])('mints nothing, with the row of its %s held', async (row) => {
    const { requestId, grantId, jti, told } = await permitted();
    const next = newTokenId();
    const minted = await overtaken(row === 'agent' ? AGENT_HELD : held(grantId), () =>
      mintToken(database, DECIDED_ON, {
        grantId,
        seenJti: jti,
        jti: next,
        kid: 'kid',
        tokenSeconds: 45,
        proof: `proof ${row}`,
        events: [{ name: 'token.issued', requestId, agentId: AGENT, data: { jti: next } }],
      }),
    );
    expect(minted).toBeNull();
    expect(await tokensOf(grantId)).toEqual([{ jti, state: 'ACTIVE' }]);
    expect(await eventsOf(requestId)).toEqual(told);
    expect((await sql`select from used_proofs`.execute(database.db)).rows).toEqual([]);
  });

  it('hands no current token out again', async () => {
    const { requestId, grantId, jti, told } = await permitted();
    const again = await overtaken(held(grantId), () =>
      redeliverToken(database, DECIDED_ON, {
        grantId,
        jti,
        proof: null,
        events: [{ name: 'token.redelivered', requestId, agentId: AGENT, data: { jti } }],
      }),
    );
    expect(again).toBe(false);
    expect(await eventsOf(requestId)).toEqual(told);
  });

  it.each([
    ['permits', opening({})],
    ['leaves to people', opening({ decision: decisionWith({}) })],
  ])('opens nothing that policy %s', async (_what, asked) => {
    const requests = accessRequests(database);
    const opened = await overtaken(AGENT_HELD, () =>
      asked.permitted === null ? requests.openPending(asked, 10) : requests.open(asked),
    );
    expect(opened).toBeNull();
    expect(await eventsOf(asked.requestId)).toEqual([]);
    const { rows } = await sql`select from access_requests where id = ${asked.requestId}`.execute(
      database.db,
    );
    expect(rows).toEqual([]);
  });

  it('opens nothing for people, with what its key stands for held while the statement is under way', async () => {
    const before = opening({});
    await openRequests(database, [before]);
    const { value: key } = before.key;
    const asked = opening({ key, replaces: before.requestId, decision: decisionWith({}) });
    const opened = await overtaken(
      `select from request_keys where request_id = '${before.requestId}' for update`,
      () => accessRequests(database).openPending(asked, 10),
    );
    expect(opened).toBeNull();
    expect(await eventsOf(asked.requestId)).toEqual([]);
    const { rows } = await sql<{ id: string }>`
      select request_id as id from request_keys where request_id in (${before.requestId}, ${asked.requestId})`.execute(
      database.db,
    );
    expect(rows).toEqual([{ id: before.requestId }]);
  });
});
