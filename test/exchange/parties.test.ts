/** Whom an agent may act as or with (nobody but itself), and for how long. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { expectRefusal, type Parameters, READ } from './expect-refusal.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';

const ask = async (agent: string, parameters: Parameters) =>
  world.exchange({ subject_token: await world.assertion(agent), ...parameters });

/** The reason that the trail has of the newest refusal. */
const toldReason = async (): Promise<string | undefined> =>
  (
    await sql<{ reason: string }>`
      select convert_from(body, 'UTF8')::jsonb ->> 'reason' as reason from audit_events
      where name = 'request.refused' order by position desc limit 1`.execute(world.database.db)
  ).rows[0]?.reason;

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('another party (T72, T73)', () => {
  it.each<[string, Parameters]>([
    ['a token', { actor_token: 'x.y.z' }],
    ['a token and its type', { actor_token: 'x.y.z', actor_token_type: `${TOKEN_TYPE}jwt` }],
    ['a type alone', { actor_token_type: `${TOKEN_TYPE}jwt` }],
  ])('is not acted with: %s of an actor is refused', async (_what, parameters) => {
    await expectRefusal(world, parameters, 'invalid_request');
  });

  it('is not acted with its own good assertion either', async () => {
    const actor_token = await world.assertion('ops-agent');
    await expectRefusal(world, { actor_token, actor_token_type: `${TOKEN_TYPE}jwt` }, 'invalid_request');
  });

  it('that the assertion names as its actor is ignored, and told', async () => {
    const actor = { sub: 'ops-agent', act: { sub: 'reporting-agent' } };
    const subject_token = await world.assertion('support-agent', { claims: { act: actor, may_act: actor } });
    const { body } = await world.exchange({ ...READ, subject_token, request_id: 'with-actors' });
    const claims = claimsOf(body.access_token);
    expect(claims).toMatchObject({ sub: 'support-agent', client_id: 'support-agent' });
    expect(Object.keys(claims)).not.toContain('act');
    const { rows } = await sql<{ ignored: string[] }>`
      select convert_from(body, 'UTF8')::jsonb -> 'ignored_claims' as ignored from audit_events
      where request_id = ${body.request_id} and name = 'assertion.verified'`.execute(world.database.db);
    expect(rows).toEqual([{ ignored: ['act', 'may_act'] }]);
  });

  it('is not what an agent may call itself, in the form or by HTTP Basic', async () => {
    await expectRefusal(world, { client_id: 'ops-agent' }, 'invalid_request');
    expect(await toldReason()).toBe('client_id_mismatch');
    const subject_token = await world.assertion('support-agent');
    const authorization = `Basic ${btoa('ops-agent:')}`;
    const { status, body } = await world.exchange({ ...READ, subject_token }, { headers: { authorization } });
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
  });

  it.each(['SUPPORT-AGENT', 'support-agent ', 'support-agent\u200b', 'nobody'])(
    'is who the client id "%s" names, since it is not the id of the agent',
    async (client_id) => {
      await expectRefusal(world, { client_id }, 'invalid_request');
    },
  );

  it('is nobody that an object id of Entra could stand for', async () => {
    const { agents } = world.entra.world;
    const { objectId = '', clientId = '' } = agents.find(({ id }) => id === 'support-agent') ?? {};
    for (const client_id of [objectId, clientId])
      await expectRefusal(world, { client_id }, 'invalid_request');
  });
});

describe('the wished lifetime (T74)', () => {
  it.each(['-1', '0', '00', '1.5', '1e9', '0x10', ' 5', '5 ', 'NaN', '99999999999', '٥'])(
    'is refused: "%s"',
    async (requested_expires_in) => {
      await expectRefusal(world, { requested_expires_in }, 'invalid_request');
    },
  );

  it.each([
    ['9999999999', 45],
    ['1000000000', 45],
    ['46', 45],
    ['44', 44],
    ['1', 1],
  ])('of %s s gives a token of %d s in production at most', async (requested_expires_in, most) => {
    const { body } = await ask('support-agent', {
      ...READ,
      requested_expires_in,
      request_id: `wish-${requested_expires_in}`,
    });
    const { iat, exp } = claimsOf(body.access_token);
    expect(Number(exp) - Number(iat)).toBe(most);
    expect(body.expires_in).toBeLessThanOrEqual(most);
    // Clients take 0 for "never".
    expect(body.expires_in).toBeGreaterThanOrEqual(1);
  });

  it('is never longer than what is left of an approval', async () => {
    const parameters = { audience: 'api://reports.prod', scope: 'payroll.export', request_id: 'nearly-over' };
    const { request_id } = (await ask('reporting-agent', parameters)).body;
    expect(await world.vote(request_id, 'approve')).toEqual({ outcome: 'approved' });
    await sql`
      update grants set approved_until = date_trunc('second', now()) + interval '20 seconds'
      where request_id = ${request_id}`.execute(world.database.db);
    const { body } = await ask('reporting-agent', { ...parameters, requested_expires_in: '1000000000' });
    const { iat, exp } = claimsOf(body.access_token);
    expect(Number(exp) - Number(iat)).toBeLessThanOrEqual(20);
    expect(body.expires_in).toBeLessThanOrEqual(20);
  });
});
