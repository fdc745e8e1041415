/** How many requests of an agent may wait for people at a time. */
import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { EXPORT, READ, startLimited, statusesOf, toldOf } from '../support/throttled.ts';

let world: TestWorld;
afterEach(() => world.stop());

describe('requests that wait for people', () => {
  const open = async (request_id: string, agent = 'reporting-agent') =>
    world.exchange({ ...EXPORT, request_id, subject_token: await world.assertion(agent) });

  it('are at most five of one agent, and another one when one of them is decided (T87)', async () => {
    world = await startLimited('exchange=off');
    const answers: Answer[] = [];
    for (const id of ['1', '2', '3', '4', '5', '6']) answers.push(await open(id));
    expect(statusesOf(answers)).toEqual([400, 400, 400, 400, 400, 429]);
    const { headers, body } = answers[5] as Answer;
    expect(body.error).toBe('slow_down');
    expect([headers.get('retry-after'), headers.get('ratelimit-policy'), headers.get('ratelimit')]).toEqual([
      '60',
      '"open";q=5',
      '"open";r=0',
    ]);
    expect(await world.trace(body.request_id)).toEqual(['ratelimit.tripped']);
    expect(await toldOf(world)).toMatchObject({
      count: 1,
      body: { reason: 'limit_open', quota: 5, agent: 'reporting-agent' },
    });
    expect((await open('1')).body.request_id).toBe(answers[0]?.body.request_id);
    await world.vote(answers[0]?.body.request_id, 'approve');
    expect((await open('6')).body.error).toBe('authorization_pending');
    expect((await open('7')).status).toBe(429);
  });

  it('of one agent do not fail in a crowd, nor stop another agent meanwhile', async () => {
    world = await startLimited('exchange=off,open=1000');
    const [crowd, other] = [await world.assertion('reporting-agent'), await world.assertion('support-agent')];
    let answered = 0;
    const opening = Array.from({ length: 200 }, async (_, n) => {
      const answer = await world.exchange({ ...EXPORT, subject_token: crowd, request_id: `n-${n}` });
      answered += 1;
      return answer;
    });
    const { status } = await world.exchange({ ...READ, subject_token: other });
    expect({ status, first: answered < 100 }).toEqual({ status: 200, first: true });
    expect(new Set(statusesOf(await Promise.all(opening)))).toEqual(new Set([400]));
  });

  it('are no more when they are opened at one instant at two brokers, and equal ones are still one (T87)', async () => {
    world = await startWorld({
      brokers: 2,
      environment: { COUNTERSIGN_RATE_LIMITS: 'exchange=off,open=5' },
    });
    const subject_token = await world.assertion('reporting-agent');
    const ports = world.brokers.map(({ port }) => port);
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, n) =>
        world.exchange(
          { ...EXPORT, subject_token, request_id: `n-${Math.floor(n / 2)}` },
          { port: ports[n % 2] ?? 0 },
        ),
      ),
    );
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from access_requests where state = 'pending'`.execute(world.database.db);
    expect(rows).toEqual([{ count: 5 }]);
    expect(statusesOf(answers).filter((status) => status === 400)).toHaveLength(10);
    for (let n = 0; n < 24; n += 2) expect(answers[n]?.status).toBe(answers[n + 1]?.status);
  });
});
