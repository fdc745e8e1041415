/** Requests of one moment share a statement; what is true of each alone must be true of it among strangers. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Opening } from '../../src/access/open-request.ts';
import { accessRequests, type Requests } from '../../src/access/requests.ts';
import { castVote } from '../../src/access/vote.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import {
  AGENT,
  AUDIENCE,
  approver,
  decisionWith,
  freshScope,
  opening,
  openRequest,
  seed,
  VOTED_ON,
} from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { checkPromises } from '../support/promises.ts';

const OTHER_AGENT = 'support-agent';

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
let requests: Requests;

beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  await seed(database);
  await sql`insert into agents (id, tenant_id, object_id, application_id, enabled, definition, revision)
    values (${OTHER_AGENT}, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), true, '{}', 1)`.execute(
    database.db,
  );
  requests = accessRequests(database);
});
afterEach(() => checkPromises(database));
afterAll(async () => {
  await database.close();
  await fresh.drop();
});

const openAll = (openings: readonly Opening[]) => Promise.all(openings.map(requests.open));

const eventsOf = async ({ requestId }: Opening): Promise<string[]> => {
  const { rows } = await sql<{ name: string }>`
    select name from audit_events where request_id = ${requestId} order by position`.execute(database.db);
  return rows.map(({ name }) => name);
};

describe('requests that are opened at the same instant', () => {
  it('are opened each with its own state, grant, token and events', async () => {
    const permitted = opening({});
    const pending = opening({ decision: decisionWith({}) });
    const others = Array.from({ length: 20 }, (_, index) =>
      opening({ agentId: index % 2 === 0 ? AGENT : OTHER_AGENT }),
    );
    const [first, second, ...rest] = await openAll([permitted, pending, ...others]);
    expect(first?.token).not.toBeNull();
    expect(second).toMatchObject({ token: null });
    expect(rest.every((opened) => opened?.token)).toBe(true);
    expect(await eventsOf(permitted)).toEqual(['request.opened', 'grant.opened', 'token.issued']);
    expect(await eventsOf(pending)).toEqual(['request.opened']);
    const { rows } = await sql<{ id: string; state: string; jti: string | null }>`
      select r.id, r.state, g.current_jti as jti from access_requests r left join grants g on g.request_id = r.id
      where r.id in (${permitted.requestId}, ${pending.requestId})`.execute(database.db);
    expect(new Map(rows.map(({ id, ...row }) => [id, row]))).toEqual(
      new Map([
        [permitted.requestId, { state: 'permitted', jti: permitted.permitted?.jti }],
        [pending.requestId, { state: 'pending', jti: null }],
      ]),
    );
  });

  it('are opened once for one key, whoever asks how often', async () => {
    const openings = Array.from({ length: 40 }, () => opening({ key: 'same' }));
    const opened = await openAll(openings);
    expect(opened.filter((one) => one !== null)).toHaveLength(1);
  });

  it('with the same key of different agents are different requests', async () => {
    const opened = await openAll([
      opening({ key: 'theirs' }),
      opening({ key: 'theirs', agentId: OTHER_AGENT }),
    ]);
    expect(opened.every((one) => one !== null)).toBe(true);
  });

  it('are not opened where a denial holds, where the revisions moved, or where another was faster', async () => {
    const deniedScope = freshScope();
    const denied = await openRequest(database, decisionWith({}), [deniedScope]);
    const ballot = { ...denied, reason: 'no', approver: approver(), ...VOTED_ON };
    expect(await castVote(database, { ...ballot, verdict: 'deny' })).toEqual({ outcome: 'denied' });
    const taken = opening({ key: 'taken' });
    expect(await requests.open(taken)).not.toBeNull();

    const refused = [
      opening({ scopes: [deniedScope] }),
      opening({ policyRevision: 'another' }),
      opening({ key: 'taken' }),
      opening({ key: 'taken', agentId: AGENT, replaces: denied.requestId }),
    ];
    const good = [opening({}), opening({ key: 'free' })];
    expect(await openAll([...refused, ...good])).toEqual([
      ...refused.map(() => null),
      ...good.map(() => expect.objectContaining({ token: expect.anything() })),
    ]);
    for (const one of refused) expect(await eventsOf(one)).toEqual([]);
    expect(await requests.open(opening({ key: 'taken', replaces: taken.requestId }))).not.toBeNull();
  });

  it('do not wait for an agent whose row somebody else holds', async () => {
    const held = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = database.db.transaction().execute(async (trx) => {
      await sql`select from agents where id = ${OTHER_AGENT} for update`.execute(trx);
      locked.resolve();
      await held.promise;
    });
    await locked.promise;
    const blocked = requests.open(opening({ agentId: OTHER_AGENT })).catch((error: Error) => error.name);
    const opened = await openAll([opening({}), opening({})]);
    expect(opened.every((one) => one !== null)).toBe(true);
    expect(await blocked).toBe('DatabaseUnavailable');
    held.resolve();
    await holding;
    expect(await requests.open(opening({ agentId: OTHER_AGENT }))).not.toBeNull();
  });
});

describe('requests that are looked for at the same instant', () => {
  it('are found each by its own key, its own id, and within its own agent', async () => {
    const mine = opening({ key: 'mine' });
    const theirs = opening({ key: 'mine', agentId: OTHER_AGENT });
    await openAll([mine, theirs]);
    const about = { audience: AUDIENCE, scopes: ['payroll.export'] };
    const own = { kind: 'own' as const, value: 'mine' };
    const found = await Promise.all([
      requests.find({ key: own, agentId: AGENT, ...about }),
      requests.find({ key: own, agentId: OTHER_AGENT, ...about }),
      requests.find({ key: { kind: 'broker', value: mine.requestId }, agentId: AGENT, ...about }),
      requests.find({ key: { kind: 'broker', value: mine.requestId }, agentId: OTHER_AGENT, ...about }),
      requests.find({ key: { kind: 'digest', value: 'mine' }, agentId: AGENT, ...about }),
    ]);
    expect(found.map(({ request }) => request?.id ?? null)).toEqual([
      mine.requestId,
      theirs.requestId,
      mine.requestId,
      null,
      null,
    ]);
    expect(found[0]?.request?.grant?.current?.jti).toBe(mine.permitted?.jti);
  });

  it('tell each of the denial that holds for one of its own scopes', async () => {
    const scopes = [freshScope(), freshScope()];
    const denied = await openRequest(database, decisionWith({}), scopes);
    await castVote(database, {
      ...denied,
      verdict: 'deny',
      reason: 'no',
      approver: approver(),
      ...VOTED_ON,
    });
    const search = (agentId: string, wanted: readonly string[]) =>
      requests.find({
        key: { kind: 'own', value: 'none' },
        agentId,
        audience: AUDIENCE,
        scopes: wanted,
      });
    const found = await Promise.all([
      search(AGENT, [freshScope()]),
      search(AGENT, [freshScope(), scopes[1] ?? '']),
      search(OTHER_AGENT, scopes),
    ]);
    expect(found.map(({ deniedBy }) => deniedBy)).toEqual([null, denied.requestId, null]);
  });
});
