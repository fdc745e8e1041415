/** Kill switches against the real database: what is closed, what is ended, and exchanges that are under way. */
import { CompiledQuery, sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { liftBlock, listBlocks, setBlock, sweepBlocks } from '../../src/access/blocks.ts';
import { openRequests } from '../../src/access/open-request.ts';
import { cancelRequest, endGrant, revokeToken } from '../../src/access/revoke.ts';
import { loadClosings } from '../../src/registry/closings.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { AGENT, AUDIENCE, decisionWith, opening, openRequest, seed } from '../support/access.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { checkPromises } from '../support/promises.ts';

const AUTHOR = { by: 'tenant/object', reason: 'it went mad' };
const LIFTER = { ...AUTHOR, signedInAt: null };

let fresh: TestDatabase;
let database: Database;

beforeEach(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ level: 'silent' }) });
  await seed(database);
  await sql`insert into resources (audience, enabled, definition, revision)
    values (${AUDIENCE}, true, '{"environment":"prod"}', 1)`.execute(database.db);
});
afterEach(async () => {
  await checkPromises(database);
  await database.close();
  await fresh.drop();
});

const block = async (kind: 'agent' | 'audience' | 'environment' | 'global', lasting = true) => {
  const subject = { agent: AGENT, audience: AUDIENCE, environment: 'prod', global: '' }[kind];
  const set = await setBlock(database, { kind, subject, lasting }, AUTHOR);
  if (typeof set === 'string') throw new Error(set);
  return set.id;
};

/** What is left of a request: its state, its grant's end, its tokens. */
const standing = async (requestId: string): Promise<unknown> => {
  const { rows } = await sql`
    select r.state, g.state as grant_state, g.ended_reason, g.ended_by, array_agg(t.state) as tokens
    from access_requests r left join grants g on g.request_id = r.id left join tokens t on t.grant_id = g.id
    where r.id = ${requestId} group by r.id, g.id`.execute(database.db);
  return rows[0];
};
const TAKEN = {
  state: 'permitted',
  grant_state: 'ended',
  ended_reason: 'revoked',
  ended_by: 'block',
  tokens: ['REVOKED'],
};

const eventsNamed = async (name: string): Promise<unknown[]> =>
  (
    await sql<{ body: unknown }>`select convert_from(body, 'UTF8')::jsonb as body from audit_events
      where name = ${name} order by position`.execute(database.db)
  ).rows.map(({ body }) => body);

const openPermitted = async () => {
  const asked = opening({});
  const [opened] = await openRequests(database, [asked]);
  expect(opened?.token).not.toBeNull();
  return asked;
};

describe.each(['agent', 'audience', 'environment', 'global'] as const)('a block of %s', (kind) => {
  it('ends what was given and what waits, opens nothing, and is told', async () => {
    const given = await openPermitted();
    const waiting = await openRequest(database, decisionWith({}));
    const id = await block(kind);
    expect(await standing(given.requestId)).toEqual(TAKEN);
    expect(await standing(waiting.requestId)).toMatchObject({ state: 'cancelled', grant_state: null });
    expect(await openRequests(database, [opening({})])).toEqual([null]);
    const closings = await loadClosings(database);
    expect(closings.closedFor({ id: AGENT }, { audience: AUDIENCE, environment: 'prod' } as never)).toBe(
      'lasting',
    );
    expect(await listBlocks(database, { open: true })).toMatchObject([
      {
        id,
        kind,
        lasting: true,
        setBy: AUTHOR.by,
        reason: AUTHOR.reason,
        liftedAt: null,
        sweptAt: expect.any(Date),
      },
    ]);
    expect(await eventsNamed('block.set')).toMatchObject([
      { block: id, kind, by: AUTHOR.by, cause: AUTHOR.reason },
    ]);
    expect(await eventsNamed('request.cancelled')).toMatchObject([{ request_id: waiting.requestId }]);
    const lines = await sql<{ kind: string }>`select kind from revocations order by position`.execute(
      database.db,
    );
    expect(lines.rows.map((line) => line.kind)).toEqual([kind, 'token']);
  });

  it('ends what a statement issues that began before it and is committed after it', async () => {
    const late = opening({});
    const begun = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const issuing = database.db.transaction().execute(async (trx) => {
      const query: Database['query'] = async <Row>(
        { text }: { text: string },
        values: readonly unknown[],
      ) => [...(await trx.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows];
      expect(await openRequests({ query }, [late])).toMatchObject([{ token: expect.anything() }]);
      begun.resolve();
      await commit.promise;
    });
    await begun.promise;
    const blocking = block(kind);
    await until(async () => (await listBlocks(database, { open: true })).length > 0);
    commit.resolve();
    await Promise.all([issuing, blocking]);
    expect(await standing(late.requestId)).toEqual(TAKEN);
  });

  it('leaves nothing that many at the same instant are given', async () => {
    const asked = Array.from({ length: 40 }, () => opening({}));
    const opened = asked.map((one) => openRequests(database, [one]));
    await Promise.all([...opened, block(kind)]);
    const live = await sql`select g.id from grants g where g.state <> 'ended' union all
      select jti from tokens where state <> 'REVOKED'`.execute(database.db);
    expect(live.rows).toEqual([]);
  });
});

const until = async (fact: () => Promise<boolean>): Promise<void> => {
  while (!(await fact())) await new Promise((resolve) => setImmediate(resolve));
};
describe('a block', () => {
  it('is lifted once, by somebody, for a reason; what it ended stays ended', async () => {
    const given = await openPermitted();
    const id = await block('agent');
    expect(await setBlock(database, { kind: 'agent', subject: AGENT, lasting: true }, AUTHOR)).toBe(
      'already',
    );
    const lifted = await Promise.all([liftBlock(database, id, LIFTER), liftBlock(database, id, LIFTER)]);
    expect(lifted.sort()).toEqual(['lifted', 'over']);
    expect(await liftBlock(database, 'block_other', LIFTER)).toBe('unknown');
    expect(await eventsNamed('block.lifted')).toHaveLength(1);
    expect(await standing(given.requestId)).toEqual(TAKEN);
    const { revision, closedFor } = await loadClosings(database);
    expect(closedFor({ id: AGENT }, { audience: AUDIENCE, environment: 'prod' } as never)).toBeNull();
    const again = opening({});
    const [opened] = await openRequests(database, [
      { ...again, on: { ...again.on, blocksRevision: revision } },
    ]);
    expect(opened?.token).not.toBeNull();
  });

  it('of nothing that exists is none', async () => {
    for (const closing of [
      { kind: 'agent', subject: 'nobody' },
      { kind: 'audience', subject: 'api://nothing' },
      { kind: 'environment', subject: 'moon' },
      { kind: 'global', subject: 'all' },
    ] as const)
      expect(await setBlock(database, { ...closing, lasting: true }, AUTHOR)).toBe('unknown');
    expect(await eventsNamed('block.set')).toEqual([]);
  });

  it('that only takes back lifts itself, and assertions of before are believed no more', async () => {
    await openPermitted();
    await block('agent', false);
    const { closedFor, isSuperseded } = await loadClosings(database);
    expect(closedFor({ id: AGENT }, { audience: AUDIENCE, environment: 'prod' } as never)).toBeNull();
    const now = Math.floor(Date.now() / 1000);
    expect([now - 60, now + 60].map((issuedAt) => isSuperseded({ id: AGENT }, issuedAt))).toEqual([
      true,
      false,
    ]);
    expect(isSuperseded({ id: 'another' }, now - 60)).toBe(false);
  });

  it('that was left unfinished is finished by whoever sweeps', async () => {
    const given = await openPermitted();
    await sql`insert into blocks (id, kind, subject, lasting, reason, set_by)
      values ('block_left', 'agent', ${AGENT}, true, 'killed', 'nobody')`.execute(database.db);
    await Promise.all([sweepBlocks(database), sweepBlocks(database)]);
    expect(await standing(given.requestId)).toEqual(TAKEN);
  });
});

describe('taking one thing back', () => {
  it('revokes a token once, of two who do it at the same instant', async () => {
    const { requestId, permitted } = await openPermitted();
    const revoke = () => revokeToken(database, permitted?.jti ?? '', AUTHOR);
    expect((await Promise.all([revoke(), revoke()])).sort()).toEqual(['over', 'revoked']);
    expect(await revokeToken(database, 'tok_unknown', AUTHOR)).toBe('unknown');
    expect(await eventsNamed('token.revoked')).toMatchObject([
      { request_id: requestId, jti: permitted?.jti, by: AUTHOR.by, cause: AUTHOR.reason },
    ]);
    expect(await standing(requestId)).toMatchObject({ grant_state: 'active', tokens: ['REVOKED'] });
  });

  it('ends a grant once, its tokens with it', async () => {
    const { requestId } = await openPermitted();
    const end = () => endGrant(database, requestId, AUTHOR, 'operator');
    expect((await Promise.all([end(), end()])).sort()).toEqual(['ended', 'over']);
    expect(await endGrant(database, 'areq_unknown', AUTHOR, 'operator')).toBe('unknown');
    expect(await standing(requestId)).toEqual({ ...TAKEN, ended_by: 'operator' });
  });

  it('cancels what waits once, and nothing that is decided', async () => {
    const { requestId } = await openRequest(database, decisionWith({}));
    const cancel = () => cancelRequest(database, requestId, AUTHOR);
    expect((await Promise.all([cancel(), cancel()])).sort()).toEqual(['cancelled', 'over']);
    expect(await cancelRequest(database, (await openPermitted()).requestId, AUTHOR)).toBe('over');
    expect(await eventsNamed('request.cancelled')).toHaveLength(1);
  });
});
