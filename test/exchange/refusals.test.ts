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
  data: { reason: 'scope_unknown' },
});

const toldOf = async (agentId: string): Promise<number[]> =>
  (
    await sql<{ count: number }>`
      select coalesce((convert_from(body, 'UTF8')::jsonb ->> 'count')::integer, 1) as count
      from audit_events where agent_id = ${agentId} order by position`.execute(database.db)
  ).rows.map(({ count }) => count);

describe('refusals', () => {
  it('of more kinds than are counted apart are still told of the agent they are about', async () => {
    const refusals = openRefusals(database, logger, 3);
    for (const kind of [1, 2, 3, 4, 5]) await refusals.tell(`flood ${kind}`, [refusal('flooder')]);
    const own = newRequestId();
    expect(await refusals.tell('quiet', [refusal('quiet-agent', own)])).toBe(own);
    await refusals.stop();
    expect(await toldOf('quiet-agent')).toEqual([1]);
    expect(await toldOf('flooder')).toEqual([1, 1, 1, 1, 1]);
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
