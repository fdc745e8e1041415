import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mintToken, nextDelivery, redeliverToken } from '../../src/access/issue-token.ts';
import { castVote } from '../../src/access/vote.ts';
import { newTokenId } from '../../src/ids.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { AGENT, approver, DECIDED_ON, decisionWith, openRequest, seed, VOTED_ON } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { untilWaiting } from '../support/locks.ts';
import { checkPromises } from '../support/promises.ts';

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  await seed(database);
  await sql`insert into registry_revisions (revision, applied_by, reason, digest, document) values (2, 'test', 'test', 'd2', '{}')`.execute(
    database.db,
  );
});
afterEach(() => checkPromises(database));
afterAll(async () => {
  await database.close();
  await fresh.drop();
});

const approvedGrant = async (changes: Parameters<typeof decisionWith>[1] = {}) => {
  const request = await openRequest(database, decisionWith({}, changes));
  await castVote(database, {
    ...request,
    verdict: 'approve',
    reason: 'month end',
    approver: approver(),
    ...VOTED_ON,
  });
  const { rows } = await sql<{ id: string }>`
    select id from grants where request_id = ${request.requestId}`.execute(database.db);
  return { requestId: request.requestId, grantId: rows[0]?.id ?? '' };
};

type Grant = Awaited<ReturnType<typeof approvedGrant>>;

const mint = (grant: Grant, seenJti: string | null, on = DECIDED_ON) => {
  const jti = newTokenId();
  return mintToken(database, on, {
    grantId: grant.grantId,
    seenJti,
    jti,
    kid: 'kid',
    tokenSeconds: 45,
    proof: null,
    events: [{ name: 'token.issued', requestId: grant.requestId, agentId: AGENT, data: { jti } }],
  }).then((minted) => (minted === null ? null : { jti, ...minted }));
};

const tokensOf = async (grant: Grant) =>
  (
    await sql<{ jti: string; state: string; successor_jti: string | null }>`
      select jti, state, successor_jti from tokens where grant_id = ${grant.grantId} order by issued_at, state desc`.execute(
      database.db,
    )
  ).rows;

describe('minting under a grant', () => {
  it('gives one current credential to any number of callers at the same instant', async () => {
    for (let round = 0; round < 20; round += 1) {
      const grant = await approvedGrant();
      const minted = await Promise.all(Array.from({ length: 10 }, () => mint(grant, null)));
      expect(minted.filter((token) => token !== null)).toHaveLength(1);
      expect(await tokensOf(grant)).toHaveLength(1);
    }
  });

  it('lets one caller rotate, with the predecessor ROTATED and its successor named', async () => {
    const grant = await approvedGrant();
    const first = await mint(grant, null);
    const rotated = await Promise.all(Array.from({ length: 10 }, () => mint(grant, first?.jti ?? null)));
    const [second, ...others] = rotated.filter((token) => token !== null);
    expect(others).toEqual([]);
    expect(await tokensOf(grant)).toEqual([
      { jti: first?.jti, state: 'ROTATED', successor_jti: second?.jti },
      { jti: second?.jti, state: 'ACTIVE', successor_jti: null },
    ]);
  });

  it('gives whole seconds of the database clock, never beyond the grant', async () => {
    const grant = await approvedGrant();
    await sql`update grants set approved_until = now() + interval '10 seconds' where id = ${grant.grantId}`.execute(
      database.db,
    );
    const token = await mint(grant, null);
    const life = ((token?.expiresAt.getTime() ?? 0) - (token?.issuedAt.getTime() ?? 0)) / 1000;
    expect(life).toBeGreaterThanOrEqual(9);
    expect(life).toBeLessThanOrEqual(10);
    expect(token?.expiresAt.getMilliseconds()).toBe(0);
  });

  it('takes the grant with the last token it may mint', async () => {
    const grant = await approvedGrant({ maxTokens: 1 });
    const token = await mint(grant, null);
    expect(token).not.toBeNull();
    expect(await mint(grant, token?.jti ?? null)).toBeNull();
    const { rows } = await sql<{ approved_until: Date; tokens_left: number }>`
      select approved_until, tokens_left from grants where id = ${grant.grantId}`.execute(database.db);
    expect(rows).toEqual([{ approved_until: token?.expiresAt, tokens_left: 0 }]);
  });

  it.each([
    ['the pick-up window is over', `update grants set pickup_until = now() where id = $`],
    ['the grant is over', `update grants set approved_until = now() where id = $`],
    ['the grant was ended', `update grants set state = 'ended', ended_reason = 'revoked' where id = $`],
  ])('mints nothing and tells nothing when %s', async (_why, change) => {
    const grant = await approvedGrant();
    await sql.raw(change.replace('$', `'${grant.grantId}'`)).execute(database.db);
    expect(await mint(grant, null)).toBeNull();
    expect(await tokensOf(grant)).toEqual([]);
  });

  it.each([
    ['the registry moved on', { ...DECIDED_ON, registryRevision: 7 }],
    ['another policy is in force', { ...DECIDED_ON, policyRevision: 'bundle-2' }],
    ['it is the grant of another agent', { ...DECIDED_ON, agentId: 'support-agent' }],
  ])('mints nothing when %s', async (_why, on) => {
    const grant = await approvedGrant();
    expect(await mint(grant, null, on)).toBeNull();
    expect(await tokensOf(grant)).toEqual([]);
  });

  it.each([
    ['it is disabled', 'enabled = false', 'enabled = true'],
    ['it has a newer revision', 'revision = 2', 'revision = 1'],
  ])(
    'waits for a change of the agent that is under way, and then sees that %s',
    async (_what, change, back) => {
      const grant = await approvedGrant();
      let minted: ReturnType<typeof mint> | undefined;
      await database.db.transaction().execute(async (trx) => {
        await sql`select id from agents where id = ${AGENT} for update`.execute(trx);
        minted = mint(grant, null);
        await untilWaiting(database);
        await sql`update agents set ${sql.raw(change)} where id = ${AGENT}`.execute(trx);
      });
      expect(await minted).toBeNull();
      await sql`update agents set ${sql.raw(back)} where id = ${AGENT}`.execute(database.db);
      expect(await tokensOf(grant)).toEqual([]);
    },
  );
});

describe('delivering again', () => {
  it('is told only while the credential is the current one', async () => {
    const grant = await approvedGrant();
    const first = await mint(grant, null);
    const again = (jti: string) =>
      redeliverToken(database, DECIDED_ON, {
        grantId: grant.grantId,
        jti,
        proof: null,
        events: [{ name: 'token.redelivered', requestId: grant.requestId, data: { jti } }],
      });
    expect(await again(first?.jti ?? '')).toBe(true);
    await mint(grant, first?.jti ?? null);
    expect(await again(first?.jti ?? '')).toBe(false);
  });
});

describe('what is delivered next', () => {
  const now = new Date('2026-01-01T00:00:00Z');
  const inSeconds = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const grant = { tokensLeft: null, tokenSeconds: 60, approvedUntil: inSeconds(600), current: null };
  const current = (left: number) => ({ issuedAt: inSeconds(left - 60), expiresAt: inSeconds(left) });
  it.each([
    ['the first token', grant, 'mint'],
    ['the same while more than a third is left', { ...grant, current: current(21) }, 'redeliver'],
    ['the successor once a third is left', { ...grant, current: current(20) }, 'mint'],
    ['the successor after it expired', { ...grant, current: current(-5) }, 'mint'],
    [
      'the same to its end when no other may be minted',
      { ...grant, tokensLeft: 0, current: current(5) },
      'last',
    ],
    [
      'nothing when it expired and no other may be minted',
      { ...grant, tokensLeft: 0, current: current(0) },
      'none',
    ],
    [
      'the same to its end when a successor would end with it',
      { ...grant, approvedUntil: inSeconds(5), current: current(5) },
      'last',
    ],
    ['nothing in the last second of a token', { ...grant, tokensLeft: 0, current: current(0.9) }, 'none'],
    [
      'the successor in the last second, however short the life',
      { ...grant, current: { issuedAt: inSeconds(-1.1), expiresAt: inSeconds(0.9) } },
      'mint',
    ],
    [
      'nothing when its token, of whole seconds, would not last one',
      { ...grant, approvedUntil: inSeconds(1.9), at: inSeconds(0.5) },
      'none',
    ],
    ['nothing in the last second', { ...grant, approvedUntil: inSeconds(0.5) }, 'none'],
    [
      'the same as long as a successor, shorter by now, would be due before it is over',
      { ...grant, tokenSeconds: 24, current: current(17) },
      'last',
    ],
    [
      'the shorter successor once it is due after the other is over',
      { ...grant, tokenSeconds: 24, current: current(16) },
      'mint',
    ],
    [
      'the same to its end, rather than that the grant were over, where lives are of a second',
      { ...grant, tokenSeconds: 1, current: { issuedAt: inSeconds(-0.1), expiresAt: inSeconds(0.9) } },
      'last',
    ],
  ] as const)('is %s', (_what, given, next) => {
    expect(nextDelivery(given, 'at' in given ? given.at : now)).toBe(next);
  });
});
