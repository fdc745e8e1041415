/** Uses that an API reports: counted once, whatever is sent again or belongs to somebody else. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const countedUses = async (): Promise<string | undefined> => {
  const metrics = await fetch(`http://127.0.0.1:${world.brokers[0]?.operationsPort}/metrics`);
  return /^countersign_token_uses_total\{outcome="allowed"\} (.*)$/m.exec(await metrics.text())?.[1];
};

describe('a report of uses', () => {
  it('is counted once in the metrics, and only for tokens of the reporting API', async () => {
    const { body } = await world.exchange({
      subject_token: await world.assertion('support-agent'),
      audience: 'api://knowledge.prod',
      scope: 'articles.read',
    });
    const { jti } = JSON.parse(atob(body.access_token.split('.')[1] ?? ''));
    const use = { jti, outcome: 'allowed', status: 200, at: new Date().toISOString(), count: 3 };
    const report = async (api: string, event_id: string) =>
      (
        await world.post('/token-use', JSON.stringify([{ ...use, event_id }]), {
          'content-type': 'application/json',
          authorization: `Bearer ${await world.assertion(api)}`,
        })
      ).body;
    expect(await report('api://knowledge.prod', 'one')).toEqual({ recorded: 1 });
    expect(await report('api://knowledge.prod', 'one')).toEqual({ recorded: 0 });
    expect(await report('api://reports.prod', 'two')).toEqual({ recorded: 0 });
    expect(await countedUses()).toBe('3');
  });

  it('tells in the trace why the API refused, by a plain word alone, and when, in a few characters', async () => {
    const { body } = await world.exchange({
      subject_token: await world.assertion('support-agent'),
      audience: 'api://knowledge.dev',
    });
    const { jti } = JSON.parse(atob(body.access_token.split('.')[1] ?? ''));
    const use = { event_id: 'why', jti, outcome: 'refused', status: 401, at: new Date().toISOString() };
    const report = async (reason: string, at = use.at) =>
      world.post('/token-use', JSON.stringify([{ ...use, reason, at }]), {
        'content-type': 'application/json',
        authorization: `Bearer ${await world.assertion('api://knowledge.dev')}`,
      });
    expect((await report('<b>revoked</b>')).status).toBe(400);
    expect((await report('revoked', use.at.replace('Z', `${'0'.repeat(50)}Z`))).status).toBe(400);
    expect((await report('revoked')).body).toEqual({ recorded: 1 });
    const { rows } = await sql<{ reason: string }>`
      select convert_from(body, 'UTF8')::jsonb #>> '{reason}' as reason from audit_events
      where name = 'token.used' and request_id = ${body.request_id}`.execute(world.database.db);
    expect(rows).toEqual([{ reason: 'revoked' }]);
  });

  it('is recorded once, in its own order, where two with the same uses in another order meet', async () => {
    const { body } = await world.exchange({
      subject_token: await world.assertion('support-agent'),
      audience: 'api://knowledge.test',
    });
    const { jti } = JSON.parse(atob(body.access_token.split('.')[1] ?? ''));
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${await world.assertion('api://knowledge.test')}`,
    };
    const at = new Date().toISOString();
    for (let round = 0; round < 5; round += 1) {
      const uses = Array.from({ length: 100 }, (_, index) => ({
        event_id: `${round}-${index}`,
        jti,
        outcome: 'allowed',
        status: 200,
        at,
      }));
      const answers = await Promise.all(
        [uses, uses.toReversed()].map((report) => world.post('/token-use', JSON.stringify(report), headers)),
      );
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(answers.map(({ body: { recorded } }) => recorded).sort()).toEqual([0, 100]);
    }
  });
});
