/** Refusals are told once a minute and kind: never under another agent's id, never twice. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openRefusals } from '../../src/audit/refusals.ts';
import { newRequestId } from '../../src/ids.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { createDatabase } from '../support/database.ts';

const logger = pino({ enabled: false });
let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger });
});
afterAll(async () => {
  await database.close();
  await fresh.drop();
});
afterEach(() => {
  vi.useRealTimers();
});

const refusal = (agentId: string, requestId = newRequestId()) => ({
  name: 'request.refused' as const,
  requestId,
  agentId,
  data: { reason: 'scope_unknown', scopes: ['a'] },
});

const stranger = (network: string, reason = 'exp') => ({
  name: 'assertion.rejected' as const,
  data: { reason, network },
});

type Told = { readonly count: number; readonly body: Record<string, unknown> };

const bodiesOf = async (condition: ReturnType<typeof sql>): Promise<Told[]> =>
  (
    await sql<{ body: Record<string, unknown> }>`
      select convert_from(body, 'UTF8')::jsonb as body
      from audit_events where ${condition} order by position`.execute(database.db)
  ).rows.map(({ body }) => ({ body, count: Number(body.count ?? 1) }));

const toldOf = async (agentId: string): Promise<number[]> =>
  (await bodiesOf(sql`agent_id = ${agentId}`)).map(({ count }) => count);

const LIMITS = { ofAgent: 3, ofNetwork: 3, ofStrangers: 5 };
const sum = (told: readonly Told[]): number => told.reduce((total, { count }) => total + count, 0);

describe('refusals', () => {
  it('of an agent that varies what it asks are bounded, lose no count, and hide nobody else’s', async () => {
    const refusals = openRefusals(database, logger, { limits: LIMITS });
    const ids = new Set<string | null>();
    for (let index = 0; index < 200; index += 1)
      ids.add(await refusals.tell(`flood ${index}`, [refusal('flooder')]));
    const own = newRequestId();
    expect(await refusals.tell('flood 1', [refusal('quiet-agent', own)])).toBe(own);
    await refusals.tell('another thing', [{ ...refusal('flooder'), data: { reason: 'target_unknown' } }]);
    await refusals.stop();
    const told = await bodiesOf(sql`agent_id = 'flooder'`);
    expect(sum(told)).toBe(201);
    // Three kinds, the shared one of the same reason, the one of another reason, and one count.
    expect(told).toHaveLength(6);
    expect(ids.size).toBe(4);
    expect(told.filter(({ body }) => body.reason === 'target_unknown')).toHaveLength(1);
    const { body } = told.find((entry) => entry.body.varied === true) ?? {};
    expect(body).toMatchObject({ reason: 'scope_unknown', count: 196, since: expect.any(String) });
    expect(body).not.toHaveProperty('scopes');
    expect(await toldOf('quiet-agent')).toEqual([1]);
  });

  it('of an agent that varies what it asks of one API hide nothing that it asks of another', async () => {
    const refusals = openRefusals(database, logger, { limits: LIMITS });
    const asking = (audience: string) => [
      { ...refusal('hider'), data: { reason: 'scope_unknown', audience } },
    ];
    for (let index = 0; index < 20; index += 1) await refusals.tell(`try ${index}`, asking('api://dev'));
    await refusals.tell('what matters', asking('api://prod'));
    await refusals.stop();
    const told = await bodiesOf(sql`agent_id = 'hider'`);
    expect(sum(told)).toBe(21);
    expect(told.filter(({ body }) => body.audience === 'api://prod')).toHaveLength(1);
  });

  it('of a network that varies everything are bounded, and hide no other network’s', async () => {
    const refusals = openRefusals(database, logger, { limits: LIMITS });
    const network = '192.0.2.0/24';
    for (let index = 0; index < 200; index += 1) await refusals.tell(`try ${index}`, [stranger(network)]);
    await refusals.tell('try 1', [stranger('198.51.100.0/24')]);
    await refusals.stop();
    const of = (name: string) =>
      bodiesOf(
        sql`name = 'assertion.rejected' and convert_from(body, 'UTF8')::jsonb ->> 'network' = ${name}`,
      );
    const told = await of(network);
    expect(sum(told)).toBe(200);
    expect(told).toHaveLength(5);
    expect(told.at(-1)?.body).toMatchObject({ network, varied: true, count: 196 });
    expect(await of('198.51.100.0/24')).toHaveLength(1);
  });

  it('of any number of networks are bounded, and hide no agent’s', async () => {
    const refusals = openRefusals(database, logger, { limits: LIMITS });
    for (let index = 0; index < 300; index += 1)
      await refusals.tell(`try ${index}`, [stranger(`10.1.${index}.0/24`, index % 2 ? 'alg' : 'dup')]);
    await refusals.tell('one', [refusal('agent-in-a-storm')]);
    await refusals.stop();
    const told = await bodiesOf(
      sql`name = 'assertion.rejected' and convert_from(body, 'UTF8')::jsonb ->> 'reason' in ('alg', 'dup')`,
    );
    expect(sum(told)).toBe(300);
    expect(told).toHaveLength(LIMITS.ofStrangers + 2 * 2);
    expect(told.at(-1)?.body).toMatchObject({ varied: true, count: 146 });
    expect(told.at(-1)?.body).not.toHaveProperty('network');
    expect(await toldOf('agent-in-a-storm')).toEqual([1]);
  });

  it('tell kinds apart again when the minute of a flood is over', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const refusals = openRefusals(database, logger, { limits: LIMITS });
    const flood = async (mark: string): Promise<void> => {
      for (let index = 0; index < 10; index += 1)
        await refusals.tell(`${mark} ${index}`, [refusal('flooder-twice')]);
    };
    await flood('first');
    vi.setSystemTime(Date.now() + 60_001);
    await flood('second');
    await refusals.stop();
    expect(await toldOf('flooder-twice')).toEqual([1, 1, 1, 1, 6, 1, 1, 1, 1, 6]);
  });

  it('are seen one by one by whoever counts them', async () => {
    const seen: unknown[] = [];
    const refusals = openRefusals(database, logger, { observe: ({ data }) => seen.push(data.reason) });
    for (const reason of ['exp', 'exp', 'aud'])
      await refusals.tell(`seen ${reason}`, [stranger('203.0.113.0/24', reason)]);
    await refusals.stop();
    expect(seen).toEqual(['exp', 'exp', 'aud']);
  });

  it('that meet a minute that is over at one instant begin one new minute', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const refusals = openRefusals(database, logger);
    const tell = () => refusals.tell('again', [refusal('again-agent')]);
    await Promise.all([tell(), tell()]);
    vi.setSystemTime(Date.now() + 60_001);
    const ids = await Promise.all([tell(), tell(), tell()]);
    expect(new Set(ids).size).toBe(1);
    await refusals.stop();
    expect(await toldOf('again-agent')).toEqual([1, 1, 1, 2]);
  });
});
