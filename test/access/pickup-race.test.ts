/** An approval that is picked up while its time runs out: it is picked up, or it lapses, never both (T85). */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lapseGrants } from '../../src/access/end.ts';
import { mintToken } from '../../src/access/issue-token.ts';
import { castVote } from '../../src/access/vote.ts';
import { newTokenId } from '../../src/ids.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { AGENT, approver, DECIDED_ON, decisionWith, openRequest, seed, VOTED_ON } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { checkPromises } from '../support/promises.ts';

const ROUNDS = 200;

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  await seed(database);
});
afterAll(async () => {
  await checkPromises(database);
  await database.close();
  await fresh.drop();
});

/** An approved grant whose pick-up ends in so many milliseconds. */
const openGrant = async (milliseconds: number): Promise<{ requestId: string; grantId: string }> => {
  const request = await openRequest(database, decisionWith({}));
  const vote = { verdict: 'approve', reason: 'checked', approver: approver(), ...VOTED_ON } as const;
  await castVote(database, { ...request, ...vote });
  const { rows } = await sql<{ id: string }>`
    update grants set pickup_until = clock_timestamp() + make_interval(secs => ${milliseconds}::float8 / 1000)
    where request_id = ${request.requestId} returning id`.execute(database.db);
  return { requestId: request.requestId, grantId: rows[0]?.id ?? '' };
};

it('ends each of 200 approvals picked up or lapsed, whichever came first, with one event of it', async () => {
  const ends = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { requestId, grantId } = await openGrant(round % 8);
    const mint = async (): Promise<string | null> => {
      const jti = newTokenId();
      const events = [{ name: 'token.issued' as const, requestId, agentId: AGENT, data: { jti } }];
      const minting = { grantId, seenJti: null, jti, kid: 'kid', tokenSeconds: 45, proof: null, events };
      return (await mintToken(database, DECIDED_ON, minting)) && jti;
    };
    const lapse = () => lapseGrants(database, [{ requestId, agentId: AGENT, grantId }]);
    const acts = Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? lapse() : mint()));
    const done = await Promise.all(acts);
    await Promise.all([mint(), lapse()]);
    const minted = done.filter((result) => typeof result === 'string');
    const lapsed = done.filter((result) => result === 1);
    const { rows } = await sql<{ state: string; reason: string | null; tokens: number; told: number }>`
      select g.state, g.ended_reason as reason, (select count(*) from tokens t where t.grant_id = g.id) as tokens,
        (select count(*) from audit_events e where e.request_id = g.request_id and e.name = 'grant.ended') as told
      from grants g where g.id = ${grantId}`.execute(database.db);
    const [grant] = rows;
    expect(minted.length + lapsed.length).toBeLessThanOrEqual(1);
    if (grant?.state === 'active') expect(grant).toMatchObject({ tokens: 1, told: 0 });
    else expect(grant).toMatchObject({ state: 'ended', reason: 'lapsed', tokens: 0, told: 1 });
    ends.add(grant?.state ?? '');
  }
  expect([...ends].sort()).toEqual(['active', 'ended']);
});
