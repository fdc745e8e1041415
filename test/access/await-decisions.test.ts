/** Many wait, one looks. */
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type DecisionWaits, openDecisionWaits, type WaitEnd } from '../../src/access/await-decisions.ts';
import { castVote } from '../../src/access/vote.ts';
import { type Database, DatabaseUnavailable, openDatabase } from '../../src/storage/database.ts';
import { AGENT, approver, decisionWith, openRequest, seed, VOTED_ON } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { until } from '../support/fact.ts';
import { checkPromises } from '../support/promises.ts';

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
const logger = pino({ enabled: false });

beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger });
  await seed(database);
});
afterAll(async () => {
  await checkPromises(database);
  await database.close();
  await fresh.drop();
});

const present = new AbortController().signal;

/** Waits on a database whose looks are counted, or fail. */
const openWaits = (failing: () => boolean = () => false) => {
  const looks: (readonly string[])[] = [];
  const query: Database['query'] = (statement, values) => {
    looks.push(values[0] as string[]);
    return failing()
      ? Promise.reject(new DatabaseUnavailable('a test says so'))
      : database.query(statement, values);
  };
  const waits = openDecisionWaits({ database: { query }, logger });
  onTestFinished(() => waits.stop());
  return { waits, looks };
};

const hold = (waits: DecisionWaits, requestId: string, seconds = 30): Promise<WaitEnd> => {
  const held = waits.hold({ requestId, agentId: AGENT, seconds, gone: present });
  if (held === null) throw new Error('there was no room');
  return held;
};

const approve = (request: Awaited<ReturnType<typeof openRequest>>) =>
  castVote(database, {
    ...request,
    verdict: 'approve',
    reason: 'checked',
    approver: approver(),
    ...VOTED_ON,
  });

it('asks the database once in each look, for each request once, and not at all when nobody waits', async () => {
  const { waits, looks } = openWaits();
  const requests = [];
  for (let count = 0; count < 10; count += 1) requests.push(await openRequest(database, decisionWith({})));
  const held = requests.flatMap(({ requestId }) => [hold(waits, requestId), hold(waits, requestId)]);
  await until(async () => (looks.length >= 2 ? true : undefined));
  for (const ids of looks) expect([...ids].sort()).toEqual(requests.map(({ requestId }) => requestId).sort());
  for (const request of requests) await approve(request);
  expect(new Set(await Promise.all(held))).toEqual(new Set(['look']));
  const before = looks.length;
  const last = await openRequest(database, decisionWith({}));
  await hold(waits, last.requestId, 0);
  expect(looks.slice(before)).toEqual([[last.requestId]]);
});

it('goes on through an outage, and learns afterwards what was decided', async () => {
  let down = true;
  const { waits, looks } = openWaits(() => down);
  const request = await openRequest(database, decisionWith({}));
  const held = hold(waits, request.requestId);
  await approve(request);
  await until(async () => (looks.length >= 2 ? true : undefined));
  down = false;
  expect(await held).toBe('look');
});

it('holds no more than it may, of a request, of an agent and of all, nor for anybody who left', async () => {
  const { waits } = openWaits();
  const wait = (requestId: string, agentId: string, gone = present) =>
    waits.hold({ requestId, agentId, seconds: 30, gone });
  expect(wait('left', AGENT, AbortSignal.abort())).toBeNull();
  const hold20 = (agentId: string) =>
    Array.from({ length: 20 }, (_, index) => {
      const gone = new AbortController();
      return { gone, ends: wait(`${agentId}_${index % 10}`, agentId, gone.signal) };
    });
  const [leaving, ...held] = hold20(AGENT);
  expect(wait(`${AGENT}_0`, 'another')).toBeNull();
  expect(wait('areq_new', AGENT)).toBeNull();
  for (let agents = 1; agents < 25; agents += 1) held.push(...hold20(`agent-${agents}`));
  expect(held.map(({ ends }) => ends)).not.toContain(null);
  expect(wait('areq_new', 'the last')).toBeNull();
  leaving?.gone.abort();
  expect(await leaving?.ends).toBe('gone');
  expect(waits.hasRoom({ requestId: `${AGENT}_0`, agentId: AGENT })).toBe(true);
  await waits.stop();
  expect(await held[0]?.ends).toBe('look');
  expect(wait('areq_new', AGENT)).toBeNull();
});
