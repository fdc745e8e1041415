/** What one API may report and ask: however many processes it has and whatever it says, counted as its assertion names it. */
import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import {
  countedOf,
  expectSlowDown,
  READ,
  repeat,
  startLimited,
  statusesOf,
  toldOf,
} from '../support/throttled.ts';

const API = READ.audience;
const OTHER = 'api://reports.prod';

let world: TestWorld;
afterEach(() => world.stop());

const issue = async (): Promise<{ token: string; jti: string; requestId: string }> => {
  const { body } = await world.exchange({ ...READ, subject_token: await world.assertion('support-agent') });
  const { jti } = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString());
  return { token: body.access_token, jti, requestId: body.request_id };
};

let events = 0;
const usesOf = (jti: string, number: number, changes: object = {}) =>
  Array.from({ length: number }, () => {
    events += 1;
    const at = new Date().toISOString();
    return { event_id: `e${events}`, jti, outcome: 'allowed', status: 200, at, ...changes };
  });

/** Each with an assertion of its own, as each process of an API has one. */
const report = async (body: unknown, api = API): Promise<Answer> =>
  world.post('/token-use', typeof body === 'string' ? body : JSON.stringify(body), {
    'content-type': 'application/json',
    authorization: `Bearer ${await world.assertion(api)}`,
  });

const ask = async (token: string, api = API): Promise<Answer> =>
  world.post('/introspect', `${new URLSearchParams({ token })}`, {
    'content-type': 'application/x-www-form-urlencoded',
    authorization: `Bearer ${await world.assertion(api)}`,
  });

const recordedUses = async (): Promise<number> => {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from audit_events where name = 'token.used'`.execute(world.database.db);
  return rows[0]?.count ?? 0;
};

describe('an API that reports too many uses', () => {
  it('is told to come back, nothing more of it is recorded, and other APIs go on', async () => {
    world = await startLimited('report=10');
    const { jti } = await issue();
    expect(statusesOf(await repeat(3, () => report(usesOf(jti, 4))))).toEqual([200, 200, 200]);
    const over = await report(usesOf(jti, 4));
    expectSlowDown(over, 'report', 10);
    expect(await recordedUses()).toBe(12);
    expect(await countedOf(world, 'report')).toBe(1);
    expect(await toldOf(world)).toMatchObject({
      count: 1,
      body: { reason: 'limit_report', quota: 10, endpoint: '/token-use', object: expect.any(String) },
    });
    expect((await report([], OTHER)).status).toBe(200);
  });

  it('gets nothing by reports that are empty, or malformed', async () => {
    world = await startLimited('report=400');
    expect(statusesOf(await repeat(3, () => report('[{}]')))).toEqual([400, 400, 429]);
    expect((await report([])).status).toBe(429);
    expect(statusesOf([await report([], OTHER)])).toEqual([200]);
  });
});

describe('an API that asks about too many tokens', () => {
  it('is told to come back, and other APIs go on', async () => {
    world = await startLimited('introspection=3');
    const { token } = await issue();
    const answers = await repeat(4, () => ask(token));
    expect(statusesOf(answers)).toEqual([200, 200, 200, 429]);
    expectSlowDown(answers[3], 'introspection', 3);
    expect(answers[3]?.body.active).toBeUndefined();
    expect((await ask(token, OTHER)).body).toEqual({ active: false });
  });
});

describe('a use that cannot have been', () => {
  const SECOND = 1_000;
  it.each([
    ['a minute ahead', 60 * SECOND],
    ['before its token was issued', -60 * SECOND],
    ['in another century', 80 * 365 * 24 * 3_600 * SECOND],
  ])('is refused with its whole report, and told: %s', async (_, offset) => {
    world = await startWorld();
    const { jti } = await issue();
    const at = new Date(Date.now() + offset).toISOString();
    const answer = await report([...usesOf(jti, 1), ...usesOf(jti, 1, { at })]);
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request']);
    expect(await recordedUses()).toBe(0);
    expect(await toldOf(world, 'caller.rejected')).toMatchObject({
      count: 1,
      body: { reason: 'report_untimely', endpoint: '/token-use' },
    });
  });

  it('is none for a clock that is a few seconds off', async () => {
    world = await startWorld();
    const { jti } = await issue();
    const off = (seconds: number) => ({ at: new Date(Date.now() + seconds * SECOND).toISOString() });
    const answer = await report([...usesOf(jti, 1, off(20)), ...usesOf(jti, 1, off(-20))]);
    expect(answer.body).toEqual({ recorded: 2 });
  });

  it('stands for no more uses than any API has', async () => {
    world = await startWorld();
    const { jti } = await issue();
    expect((await report(usesOf(jti, 1, { count: 100_001 }))).status).toBe(400);
    expect((await report(usesOf(jti, 201))).status).toBe(400);
    expect((await report(usesOf(jti, 1, { count: 100_000 }))).body).toEqual({ recorded: 1 });
  });
});

describe('an agent that takes back too often', () => {
  it('is told to come back: its revocations count as exchanges', async () => {
    world = await startLimited('exchange=2');
    const form = `${new URLSearchParams({
      subject_token: await world.assertion('support-agent'),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token: 'mine-0',
    })}`;
    const answers = await repeat(3, () => world.post('/revoke', form));
    expect(statusesOf(answers)).toEqual([200, 200, 429]);
    expectSlowDown(answers[2], 'exchange', 2);
  });
});
