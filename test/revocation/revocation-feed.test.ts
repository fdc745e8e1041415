/** The log and its readers on a real database: nothing is skipped, nothing is told twice, nothing old looks fresh. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openRevocationFeed, type RevocationFeed } from '../../src/revocation/revocation-feed.ts';
import { forgetRevocations, logRevocations, type Revocation } from '../../src/revocation/revocation-log.ts';
import { type Database, DatabaseUnavailable } from '../../src/storage/database.ts';
import { openTestDatabase } from '../registry/database.ts';

/** Long enough that only `look` looks. */
const NEVER_MS = 3_600_000;
const LONG = { from: '192.0.2.1', waitMs: 60_000, signal: new AbortController().signal };
const NO_WAIT = { from: '192.0.2.1', waitMs: 0, signal: new AbortController().signal };

let test: Awaited<ReturnType<typeof openTestDatabase>>;
let feeds: RevocationFeed[];
beforeEach(async () => {
  test = await openTestDatabase();
  feeds = [];
});
afterEach(async () => {
  for (const feed of feeds) await feed.stop();
  await test.end();
});

const open = async (
  changes: { database?: Database; heldMax?: number; observe?: (seconds: number) => void } = {},
) => {
  const feed = await openRevocationFeed({
    database: test.database,
    logger: pino({ level: 'silent' }),
    observe: () => undefined,
    lookIntervalMs: NEVER_MS,
    ...changes,
  });
  feeds.push(feed);
  return feed;
};

const inSeconds = (seconds: number): Date => new Date((Math.floor(Date.now() / 1_000) + seconds) * 1_000);
const token = (jti: string, until = inSeconds(45)): Revocation => ({ kind: 'token', subject: jti, until });
const log = (...lines: Revocation[]) => logRevocations(test.database.db, lines);
const jtis = ({ revoked }: { revoked: readonly { jti: string }[] }): string[] =>
  revoked.map(({ jti }) => jti);

describe('the log of revocations', () => {
  it('shows no line before one that was begun earlier and commits later', async () => {
    const feed = await open();
    const { cursor: before } = await feed.read(null, NO_WAIT);
    const slow = await test.database.db.startTransaction().execute();
    await logRevocations(slow, [token('slow')]);
    const quick = log(token('quick'));
    await test.waiting(1);
    await feed.look();
    expect(jtis(await feed.read(before, NO_WAIT))).toEqual([]);
    await slow.commit().execute();
    await quick;
    await feed.look();
    expect(jtis(await feed.read(before, NO_WAIT))).toEqual(['slow', 'quick']);
  });

  it('skips nothing and repeats nothing for a reader who follows while twenty write', async () => {
    await log(token('before'));
    const feed = await open();
    let { cursor } = await feed.read(null, NO_WAIT);
    const told: string[] = [];
    const writing = Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        for (let line = 0; line < 10; line += 1) await log(token(`${writer}-${line}`));
      }),
    );
    let written = false;
    void writing.finally(() => {
      written = true;
    });
    for (let last = false; !last; ) {
      last = written;
      await feed.look();
      const delta = await feed.read(cursor, NO_WAIT);
      expect(delta.complete).toBe(false);
      told.push(...jtis(delta));
      cursor = delta.cursor;
    }
    await writing;
    expect(told.length).toBe(200);
    expect(new Set(told).size).toBe(200);
  });

  it('keeps nothing of a transaction that was rolled back, not even its place', async () => {
    await log(token('first'));
    const lost = await test.database.db.startTransaction().execute();
    await logRevocations(lost, [token('lost')]);
    await lost.rollback().execute();
    await log(token('second'));
    const { rows } = await sql<{ position: number; subject: string }>`
      select position, subject from revocations order by position`.execute(test.database.db);
    expect(rows).toEqual([
      { position: 1, subject: 'first' },
      { position: 2, subject: 'second' },
    ]);
  });

  it('forgets old lines, and never the last', async () => {
    await log(token('old'));
    await log(token('new'));
    await test.database.db
      .deleteFrom('revocations')
      .where('subject', '=', 'old')
      .returningAll()
      .executeTakeFirstOrThrow()
      .then((line) =>
        test.database.db
          .insertInto('revocations')
          .values({ ...line, recorded_at: inSeconds(-3_600) })
          .execute(),
      );
    await forgetRevocations(test.database);
    const lines = await test.database.db.selectFrom('revocations').select('subject').execute();
    expect(lines).toEqual([{ subject: 'new' }]);
  });
});

describe('a reader', () => {
  it('without a cursor gets everything that still matters, the latest of each', async () => {
    const [old, young] = [inSeconds(-20), inSeconds(-10)];
    const live = inSeconds(45);
    await log(token('live', live), token('expired', inSeconds(-61)));
    await log({ kind: 'agent', subject: 'ops-agent', until: young });
    await log(
      { kind: 'agent', subject: 'ops-agent', until: old },
      { kind: 'global', subject: '', until: old },
    );
    await log({ kind: 'audience', subject: 'api://a', until: old });
    await log({ kind: 'environment', subject: 'prod', until: old });
    const { now, cursor, ...answer } = await (await open()).read(null, LONG);
    expect(answer).toEqual({
      complete: true,
      revoked: [{ jti: 'live', exp: live.getTime() / 1_000 }],
      not_before: {
        global: old.getTime() / 1_000,
        agents: { 'ops-agent': young.getTime() / 1_000 },
        audiences: { 'api://a': old.getTime() / 1_000 },
        environments: { prod: old.getTime() / 1_000 },
      },
    });
  });

  it('at the end is held until something comes, and gets just that', async () => {
    await log(token('before'));
    const feed = await open();
    const { cursor } = await feed.read(null, NO_WAIT);
    const held = feed.read(cursor, LONG);
    await log(token('after'));
    await feed.look();
    const answer = await held;
    expect([answer.complete, jtis(answer), answer.not_before]).toEqual([false, ['after'], {}]);
  });

  it('at the end is answered with nothing when its patience is over or the broker ends', async () => {
    const feed = await open();
    const first = await feed.read(null, NO_WAIT);
    const late = await feed.read(first.cursor, { ...LONG, waitMs: 1 });
    expect([late.complete, late.cursor, late.revoked]).toEqual([false, first.cursor, []]);
    const held = feed.read(first.cursor, LONG);
    feed.release();
    expect((await held).revoked).toEqual([]);
    expect((await feed.read(first.cursor, LONG)).revoked).toEqual([]);
  });

  it('beyond the number that is held is answered at once', async () => {
    const feed = await open({ heldMax: 1 });
    const { cursor } = await feed.read(null, NO_WAIT);
    const gone = new AbortController();
    const held = feed.read(cursor, { ...LONG, signal: gone.signal });
    expect((await feed.read(cursor, LONG)).revoked).toEqual([]);
    gone.abort();
    await held;
  });

  it.each([
    ['nonsense', 'x'],
    ['a place ahead of the log', '99.3f333df6-90a4-4fda-8dd3-9485d27cee36'],
    ['a place in another history', '1.3f333df6-90a4-4fda-8dd3-9485d27cee36'],
    ['the beginning of another history', '0.x'],
  ])('with %s for a cursor gets everything at once', async (_, cursor) => {
    await log(token('first'));
    await log(token('second'));
    const answer = await (await open()).read(cursor, LONG);
    expect([answer.complete, jtis(answer)]).toEqual([true, ['first', 'second']]);
  });

  it('follows into a database that was restored to an earlier state', async () => {
    await log(token('kept'));
    const feed = await open();
    await log(token('lost'));
    await feed.look();
    const { cursor } = await feed.read(null, NO_WAIT);
    await sql`delete from revocations where subject = 'lost'`.execute(test.database.db);
    await sql`update revocation_head h set position = 1, mark = (select mark from revocations)`.execute(
      test.database.db,
    );
    await log(token('other'));
    await feed.look();
    const answer = await feed.read(cursor, LONG);
    expect([answer.complete, jtis(answer)]).toEqual([true, ['kept', 'other']]);
  });

  it('is told an outage, held or not, and everything that came meanwhile after it', async () => {
    let isDown = false;
    const query: Database['query'] = (statement, values) =>
      isDown ? Promise.reject(new DatabaseUnavailable('gone')) : test.database.query(statement, values);
    const feed = await open({ database: { ...test.database, query } });
    const { cursor } = await feed.read(null, NO_WAIT);
    const clock = vi.spyOn(performance, 'now');
    const held = feed.read(cursor, LONG);
    const [heldAnswer] = await Promise.allSettled([
      held,
      (async () => {
        isDown = true;
        clock.mockReturnValue(performance.now() + 1_001);
        await feed.look();
      })(),
    ]);
    expect(heldAnswer).toMatchObject({ status: 'rejected', reason: { retryAfterSeconds: 1 } });
    await expect(feed.read(cursor, LONG)).rejects.toMatchObject({ retryAfterSeconds: 1 });
    await expect(feed.read(null, LONG)).rejects.toMatchObject({ retryAfterSeconds: 1 });
    await log(token('meanwhile'));
    isDown = false;
    await feed.look();
    expect(jtis(await feed.read(null, NO_WAIT))).toEqual(['meanwhile']);
    clock.mockRestore();
  });

  it('is counted by how long a revocation took to come to it', async () => {
    const observe = vi.fn();
    const feed = await open({ observe });
    await log(token('one'), token('two'));
    await feed.look();
    expect(observe.mock.calls.length).toBe(2);
    expect(Math.min(...observe.mock.calls.flat())).toBeGreaterThanOrEqual(0);
  });
});
