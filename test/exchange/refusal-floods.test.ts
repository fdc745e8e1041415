/** Whoever floods the trail with refusals gets a bounded number of events, and hides nobody else's. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

/** How many kinds of refusals of one agent are told apart in a minute. */
const KINDS_OF_AN_AGENT = 256;

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const lastPosition = async (): Promise<number> =>
  (
    await sql<{ last: number }>`select coalesce(max(position), 0) as last from audit_events`.execute(
      world.database.db,
    )
  ).rows[0]?.last ?? 0;

it('tells an agent that varies its scopes in a bounded number of events, and other agents as ever', async () => {
  const after = await lastPosition();
  const subject_token = await world.assertion('support-agent');
  const unknown = { subject_token, audience: 'api://knowledge.prod', request_id: undefined };
  for (let index = 0; index < KINDS_OF_AN_AGENT + 40; index += 1) {
    const { body } = await world.exchange({ ...unknown, scope: `vary.${index}.${randomUUID()}` });
    expect(body).toMatchObject({ error: 'invalid_scope', request_id: expect.stringMatching(/^areq_/) });
  }
  const { body } = await world.exchange({
    subject_token: await world.assertion('ops-agent'),
    audience: 'api://operations.prod',
    scope: 'services.burn',
  });
  const { rows } = await sql<{ agent: string; told: number }>`
    select agent_id as agent, count(*)::integer as told from audit_events
    where position > ${after} and name = 'request.refused' group by agent_id`.execute(world.database.db);
  const told = Object.fromEntries(rows.map((row) => [row.agent, row.told]));
  // And one for all that is beyond.
  expect(told['support-agent']).toBe(KINDS_OF_AN_AGENT + 1);
  expect(told['ops-agent']).toBe(1);
  expect(await world.trace(body.request_id)).toContain('request.refused');
});

it('tells a stranger that varies everything in a bounded number of events', async () => {
  const after = await lastPosition();
  const good = await world.assertion('support-agent');
  for (let index = 0; index < 60; index += 1) {
    const form = new URLSearchParams({
      grant_type: TOKEN_EXCHANGE,
      subject_token_type: JWT_TYPE,
      subject_token: `${randomUUID()}.${good}`,
      audience: `api://${index}`,
      scope: `s${index}`,
    });
    if (index % 2) form.set('client_id', `c${index}`);
    expect((await world.post('/token', form.toString())).body.error).toBe('invalid_request');
  }
  const { rows } = await sql<{ told: number }>`
    select count(*)::integer as told from audit_events where position > ${after}`.execute(world.database.db);
  expect(rows[0]?.told).toBe(1);
});
