/** `replay: strict` of a tenant's entry: an assertion opens a second request only when the first is over (T34). */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../src/broker.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { newestEvent, startTrusting, trustIn } from '../support/entra-modes.ts';
import { checkPromises } from '../support/promises.ts';
import { READ } from './expect-refusal.ts';

let world: TestWorld;
let strict: readonly Broker[];

beforeAll(async () => {
  world = await startWorld();
  const trusts = [trustIn(world.entra, { replay: 'strict' })];
  strict = [await startTrusting(world, trusts), await startTrusting(world, trusts)];
});
afterEach(() => checkPromises(world.database));
afterAll(async () => {
  for (const broker of strict) await broker.stop();
  await world.stop();
});

const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };
const askAt = (index: number, parameters: Record<string, string>) =>
  world.exchange(parameters, { port: strict[index]?.port ?? 0 });
const newUti = (): string => randomBytes(16).toString('base64url');

describe('an assertion of a tenant with replay: strict', () => {
  it('opens one of 20 requests at two brokers at once; the others are told as replay (T34)', async () => {
    for (const [agent, wanted] of [
      ['support-agent', READ],
      ['reporting-agent', EXPORT],
    ] as const) {
      const subject_token = await world.assertion(agent);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          askAt(n % 2, { ...wanted, subject_token, request_id: `${agent}-${n}` }),
        ),
      );
      const refused = answers.filter(({ body }) => body.error === 'invalid_request');
      expect(refused).toHaveLength(19);
      expect(await newestEvent(world, 'request.refused')).toMatchObject({ reason: 'replay' });
      const { rows } = await sql`select from access_requests where agent_id = ${agent}`.execute(
        world.database.db,
      );
      expect(rows).toHaveLength(1);
    }
  });

  it('is known by its uti, not by its bytes (T34)', async () => {
    const uti = newUti();
    const [first, second] = await Promise.all(
      ['1', '2'].map((azpacr) => world.assertion('support-agent', { claims: { uti, azpacr } })),
    );
    expect(first).not.toBe(second);
    const open = { ...READ, subject_token: first ?? '', request_id: 'first' };
    expect((await askAt(0, open)).status).toBe(200);
    const again = await askAt(1, { ...READ, subject_token: second ?? '', request_id: 'second' });
    expect([again.status, again.body.error]).toEqual([400, 'invalid_request']);
    expect(again.body.error_description).toContain('another request open');
  });

  it('goes on to find, poll and fetch what it opened, from all at once', async () => {
    const subject_token = await world.assertion('support-agent');
    const same = { ...READ, subject_token, request_id: 'the-same' };
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => askAt(n % 2, same)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const waiting = {
      ...EXPORT,
      subject_token: await world.assertion('reporting-agent'),
      request_id: 'wait',
    };
    const { body } = await askAt(0, waiting);
    expect(body.error).toBe('authorization_pending');
    await world.vote(body.request_id, 'approve');
    expect((await askAt(1, waiting)).status).toBe(200);
  });

  it('may open several at a tenant without it', async () => {
    const subject_token = await world.assertion('support-agent');
    for (const request_id of ['several-1', 'several-2'])
      expect((await world.exchange({ ...READ, subject_token, request_id })).status).toBe(200);
  });
});
