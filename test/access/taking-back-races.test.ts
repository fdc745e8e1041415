/** Taking back against what is under way at the same moment, statement against statement. */
import { sql } from 'kysely';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { setBlock, sweepBlocks } from '../../src/access/blocks.ts';
import { guardValues } from '../../src/access/guard.ts';
import { MINT_TOKEN, mintToken } from '../../src/access/issue-token.ts';
import { narrowedTerms } from '../../src/access/narrowing.ts';
import { type Terms, termsDigest } from '../../src/access/request-digest.ts';
import { endGrant } from '../../src/access/revoke.ts';
import { castVote } from '../../src/access/vote.ts';
import { eventValues } from '../../src/audit/event.ts';
import { newTokenId } from '../../src/ids.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import {
  AGENT,
  APPROVAL,
  AUDIENCE,
  approver,
  DECIDED_ON,
  decisionWith,
  openRequest,
  seed,
  VOTED_ON,
} from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { untilWaiting } from '../support/locks.ts';
import { checkPromises } from '../support/promises.ts';

const AUTHOR = { by: 'operator', reason: 'at once' };

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
let other: pg.Client;
beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  await seed(database);
  await sql`insert into resources (audience, enabled, definition, revision)
    values (${AUDIENCE}, true, '{"environment":"prod"}', 1)`.execute(database.db);
  other = new pg.Client({ connectionString: fresh.applicationDsn });
  await other.connect();
});
afterEach(() => checkPromises(database));
afterAll(async () => {
  await other.end();
  await database.close();
  await fresh.drop();
});

const approvedGrant = async () => {
  const request = await openRequest(database, decisionWith({}));
  await castVote(database, {
    ...request,
    verdict: 'approve',
    reason: 'fine',
    approver: approver(),
    ...VOTED_ON,
  });
  const { rows } = await sql<{ id: string }>`
    select id from grants where request_id = ${request.requestId}`.execute(database.db);
  return { requestId: request.requestId, grantId: rows[0]?.id ?? '' };
};
const issued = (requestId: string, jti: string) =>
  [{ name: 'token.issued', requestId, agentId: AGENT, data: { jti } }] as const;

const tokensOf = async (grantId: string): Promise<unknown> =>
  (
    await sql`select t.state, exists(select from revocations r where r.subject = t.jti) as told
      from tokens t where t.grant_id = ${grantId}`.execute(database.db)
  ).rows;

it('a grant that ends while its token is minted takes that token with it, and APIs are told', async () => {
  const { requestId, grantId } = await approvedGrant();
  const jti = newTokenId();
  await other.query('begin');
  await other.query(MINT_TOKEN.text, [
    ...guardValues(DECIDED_ON),
    grantId,
    null,
    jti,
    'kid',
    45,
    ...eventValues(issued(requestId, jti), new Date()),
  ]);
  const ending = endGrant(database, requestId, AUTHOR, 'operator');
  await untilWaiting(database);
  await other.query('commit');
  expect(await ending).toBe('ended');
  expect(await tokensOf(grantId)).toEqual([{ state: 'REVOKED', told: true }]);
});

it('of a hundred grants that end at the instant of their pick-up none leaves a token', async () => {
  for (let round = 0; round < 100; round += 1) {
    const { requestId, grantId } = await approvedGrant();
    const jti = newTokenId();
    const minting = { grantId, seenJti: null, jti, kid: 'kid', tokenSeconds: 45, proof: null };
    await Promise.all([
      mintToken(database, DECIDED_ON, { ...minting, events: issued(requestId, jti) }),
      endGrant(database, requestId, AUTHOR, 'operator'),
    ]);
    const left = await sql`select from tokens where grant_id = ${grantId} and state <> 'REVOKED'`.execute(
      database.db,
    );
    expect(left.rows).toEqual([]);
  }
});

it('a vote that waited is not counted on a registry that is no longer in force', async () => {
  const request = await openRequest(database, decisionWith({}));
  await sql`insert into registry_revisions (revision, applied_by, reason, digest, document)
    values (2, 'test', 'test', 'd2', '{}')`.execute(database.db);
  await other.query('begin');
  await other.query('select from access_requests where id = $1 for update', [request.requestId]);
  const vote = castVote(database, {
    ...request,
    verdict: 'approve',
    reason: 'fine',
    approver: approver(),
    ...VOTED_ON,
  });
  await untilWaiting(database);
  await sql`update in_force set registry_revision = 2`.execute(database.db);
  await other.query('commit');
  expect(await vote).toEqual({ overtaken: true });
  await sql`update in_force set registry_revision = 1`.execute(database.db);
});

it('a denial of more is one of less: narrowing does not take it away', async () => {
  const approval = { ...APPROVAL, quorum: 2, denyQuorum: 2 };
  const decisionNow = { decision: 'needs_approval', approval, bundleRevision: 'bundle-1' } as const;
  const request = await openRequest(database, decisionWith(approval));
  const vote = (verdict: 'approve' | 'deny', changes: object = {}) =>
    castVote(database, {
      ...request,
      verdict,
      reason: 'r',
      approver: approver(),
      ...VOTED_ON,
      decisionNow,
      mayShorten: () => true,
      ...changes,
    });
  expect(await vote('deny')).toEqual({ outcome: 'counted' });
  const { rows } = await sql<{ terms: Terms }>`
    select terms from access_requests where id = ${request.requestId}`.execute(database.db);
  const terms = rows[0]?.terms as Terms;
  const narrowing = {
    scopes: terms.scopes,
    authorizationDetails: terms.authorization_details,
    grantSeconds: terms.grant_seconds - 1,
    maxTokens: terms.max_tokens,
  };
  const digest = termsDigest(narrowedTerms(terms, narrowing));
  expect(await vote('approve', { narrowing, termsDigest: digest })).toEqual({ outcome: 'counted' });
  expect(await vote('deny', { termsDigest: digest })).toEqual({ outcome: 'denied' });
  expect(await vote('approve', { termsDigest: digest })).toEqual({ refused: 'already_decided' });
});

/** Leaves a block that nobody has swept yet; what it closes is given all the same. */
const leaveBlock = async (id: string, lasting: boolean): Promise<void> => {
  await sql`insert into blocks (id, kind, subject, lasting, reason, set_by)
    values (${id}, 'agent', ${AGENT}, ${lasting}, 'killed', 'nobody')`.execute(database.db);
};
const blocksRevision = async (): Promise<unknown> =>
  (await sql`select blocks_revision from in_force`.execute(database.db)).rows;

it('a second sweeper that comes to it after the lift ends nothing of what is given then', async () => {
  const { requestId, grantId } = await approvedGrant();
  await leaveBlock('block_lifted', true);
  const before = await blocksRevision();
  await other.query('begin');
  await other.query('lock table grants in access exclusive mode');
  const sweeping = sweepBlocks(database);
  await untilWaiting(database);
  await other.query(`update blocks set swept_at = now(), lifted_at = now() where id = 'block_lifted'`);
  const { rows: lifted } = await other.query(`select * from blocks where id = 'block_lifted'`);
  await other.query('commit');
  await sweeping;
  const { rows } = await sql`select state from grants where id = ${grantId}`.execute(database.db);
  expect(rows).toEqual([{ state: 'offered' }]);
  expect((await sql`select * from blocks where id = 'block_lifted'`.execute(database.db)).rows).toEqual(
    lifted,
  );
  expect(await blocksRevision()).toEqual(before);
  expect(await endGrant(database, requestId, AUTHOR, 'operator')).toBe('ended');
});

it('a wide block outlasts what another login of the broker has under way', async () => {
  const owner = new pg.Client({ connectionString: fresh.ownerDsn });
  await owner.connect();
  await owner.query('begin');
  await owner.query('lock table grants in row exclusive mode');
  const blocking = setBlock(database, { kind: 'audience', subject: AUDIENCE, lasting: false }, AUTHOR);
  // It looks once more for what is under way only where there was something.
  for (const looks = new Set<string>(); looks.size < 3; ) {
    const { rows } = await sql<{ look: string }>`select concat(pid, ' ', query_start) as look
      from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        and query like '%virtualxid%'`.execute(database.pages);
    for (const { look } of rows) looks.add(look);
  }
  const { rows } = await sql`select swept_at from blocks where lifted_at is null`.execute(database.db);
  expect(rows).toEqual([{ swept_at: null }]);
  await owner.query('commit');
  expect(await blocking).toMatchObject({ id: expect.stringMatching(/^block_/) });
  await owner.end();
});

it('of two sweepers of what lifts itself one does', async () => {
  const { rows: revisions } = await sql<{ blocks_revision: number }>`
    select blocks_revision from in_force`.execute(database.db);
  await leaveBlock('block_passing', false);
  await other.query('begin');
  await other.query('select from in_force for update');
  const sweeping = Promise.all([sweepBlocks(database), sweepBlocks(database)]);
  await untilWaiting(database, 2);
  await other.query('commit');
  await sweeping;
  expect(await blocksRevision()).toEqual([{ blocks_revision: (revisions[0]?.blocks_revision ?? 0) + 1 }]);
});
