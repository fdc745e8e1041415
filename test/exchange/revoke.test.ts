/** What an agent gives back (RFC 7009): its tokens and its requests, and nobody else's. */
import { decodeJwt } from 'jose';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, JWT_TYPE, startWorld, type TestWorld } from '../support/broker.ts';
import { whileLocked } from '../support/locks.ts';
import { checkPromises } from '../support/promises.ts';
import { READ } from './expect-refusal.ts';

const DEPLOY = { audience: 'api://operations.prod', scope: 'release.deploy' };
const DONE = { status: 200, body: '' };

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

type Parameters = Readonly<Record<string, string>>;

const ask = async (agent: string, parameters: Parameters): Promise<Answer> =>
  world.exchange({ subject_token: await world.assertion(agent), ...parameters });
const deploy = (parameters: Parameters = {}) => ask('ops-agent', { ...DEPLOY, ...parameters });
const read = (parameters: Parameters = {}) => ask('support-agent', { ...READ, ...parameters });

const send = (parameters: Parameters): Promise<Answer> =>
  world.post('/revoke', `${new URLSearchParams(parameters)}`);
const takeBack = async (agent: string, token: string, more: Parameters = {}): Promise<Answer> =>
  send({ subject_token: await world.assertion(agent), subject_token_type: JWT_TYPE, token, ...more });
const inShort = ({ status, body }: Answer) => ({ status, body });
const errorOf = ({ status, body }: Answer) => `${status} ${body.error}`;

/** What stands in the database of a request, its grant and its tokens. */
const standing = async (requestId: string) => {
  const { rows } = await sql<{
    state: string;
    grant: string | null;
    ended_by: string | null;
    tokens: string;
  }>`
    select r.state, g.state as grant, g.ended_by, string_agg(t.state, ' ') as tokens
    from access_requests r left join grants g on g.request_id = r.id left join tokens t on t.grant_id = g.id
    where r.id = ${requestId} group by r.id, g.id`.execute(world.database.db);
  return rows[0];
};
const toldBy = async (requestId: string, name: string) => {
  const { rows } = await sql<{ by: string }>`
    select convert_from(body, 'UTF8')::jsonb ->> 'by' as by from audit_events
    where request_id = ${requestId} and name = ${name}`.execute(world.database.db);
  return rows.map(({ by }) => by);
};

describe('a token that its agent gives back', () => {
  it('is revoked, told to its API, and replaced at the next exchange', async () => {
    const { access_token, request_id } = (await read({ request_id: 'given-back' })).body;
    const answer = await takeBack('support-agent', access_token, { token_type_hint: 'refresh_token' });
    expect(inShort(answer)).toEqual(DONE);
    expect([answer.headers.get('cache-control'), answer.headers.get('content-length')]).toEqual([
      'no-store',
      '0',
    ]);
    expect(await standing(request_id)).toMatchObject({ grant: 'active', tokens: 'REVOKED' });
    expect(await toldBy(request_id, 'token.revoked')).toEqual(['agent:support-agent']);
    const introspection = await world.post('/introspect', `${new URLSearchParams({ token: access_token })}`, {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Bearer ${await world.assertion(READ.audience)}`,
    });
    expect(introspection.body).toEqual({ active: false });
    const { jti } = decodeJwt(access_token);
    const { rows } = await sql`select kind from revocations where subject = ${jti}`.execute(
      world.database.db,
    );
    expect(rows).toEqual([{ kind: 'token' }]);
    const next = await read({ request_id: 'given-back' });
    expect(decodeJwt(next.body.access_token).jti).not.toBe(jti);
  });

  it('is revoked once by all who try at a time, and each is told that it is', async () => {
    const { access_token, request_id } = (await read({ request_id: 'by-many' })).body;
    const tries = Array.from({ length: 5 }, () => takeBack('support-agent', access_token));
    for (const answer of await Promise.all(tries)) expect(inShort(answer)).toEqual(DONE);
    expect(await toldBy(request_id, 'token.revoked')).toHaveLength(1);
  });

  it.each([
    ['text', async () => 'of no kind at all'],
    ['a key that no request has', async () => 'unknown'],
    ['three parts', async () => 'a.b.c'],
    ['an assertion', () => world.assertion('support-agent')],
    [
      'a good token with another signature',
      async () => (await read()).body.access_token.replace(/[^.]+$/, 'A'.repeat(86)),
    ],
  ])('is 200 too when it is none: %s', async (_, make) => {
    const { request_id } = (await read()).body;
    expect(inShort(await takeBack('support-agent', await make()))).toEqual(DONE);
    expect(await standing(request_id)).toMatchObject({ grant: 'active', tokens: 'ACTIVE' });
  });

  it('is 200 too when it is over, and the grant goes on', async () => {
    const { access_token, request_id } = (await read({ request_id: 'over' })).body;
    await sql`update tokens set expires_at = now() - interval '2 minutes'
      where jti = ${decodeJwt(access_token).jti}`.execute(world.database.db);
    expect(inShort(await takeBack('support-agent', access_token))).toEqual(DONE);
    expect(await toldBy(request_id, 'token.revoked')).toEqual([]);
    expect((await read({ request_id: 'over' })).status).toBe(200);
  });
});

describe('a request that its agent takes back', () => {
  it.each(['key', 'id'])('by its %s is cancelled: no vote counts any more (T89)', async (name) => {
    const request_id = `cancelled-by-${name}`;
    const opened = (await deploy({ request_id })).body.request_id;
    expect(inShort(await takeBack('ops-agent', name === 'key' ? request_id : opened))).toEqual(DONE);
    expect(await standing(opened)).toMatchObject({ state: 'cancelled', grant: null });
    expect(await toldBy(opened, 'request.cancelled')).toEqual(['agent:ops-agent']);
    expect(await world.vote(opened, 'approve')).toHaveProperty('refused');
    for (const repeat of [request_id, opened]) {
      const { status, body } = await deploy({ request_id: repeat });
      expect([status, body.error, body.request_id]).toEqual([400, 'expired_token', opened]);
    }
    // Once more, and it stays what it is.
    expect(inShort(await takeBack('ops-agent', opened))).toEqual(DONE);
    expect(await toldBy(opened, 'request.cancelled')).toHaveLength(1);
  });

  it('without a key of its own is asked anew by a repeat without one', async () => {
    const opened = (await deploy()).body.request_id;
    expect(inShort(await takeBack('ops-agent', opened))).toEqual(DONE);
    const { body } = await deploy();
    expect(body.error).toBe('authorization_pending');
    expect(body.request_id).not.toBe(opened);
  });

  it.each([
    ['approved and not picked up', async () => undefined, null],
    ['approved and picked up', () => deploy({ request_id: 'granted-1' }), 'REVOKED'],
  ])('loses its grant with its tokens: %s', async (_, pickUp, tokens) => {
    const request_id = `granted-${tokens === null ? 0 : 1}`;
    const opened = (await deploy({ request_id })).body.request_id;
    expect(await world.vote(opened, 'approve')).toEqual({ outcome: 'approved' });
    await pickUp();
    expect(inShort(await takeBack('ops-agent', request_id))).toEqual(DONE);
    expect(await standing(opened)).toEqual({ state: 'approved', grant: 'ended', ended_by: 'agent', tokens });
    expect(await toldBy(opened, 'grant.ended')).toEqual(['agent:ops-agent']);
    for (const repeat of [request_id, opened]) {
      const { body } = await deploy({ request_id: repeat });
      expect([body.error, body.request_id]).toEqual(['expired_token', opened]);
    }
  });

  it('that policy permitted is over under its key, and permitted anew without', async () => {
    const { request_id } = (await read({ request_id: 'permitted' })).body;
    expect(inShort(await takeBack('support-agent', 'permitted'))).toEqual(DONE);
    expect(errorOf(await read({ request_id: 'permitted' }))).toBe('400 expired_token');
    const unnamed = (await read()).body;
    expect(unnamed.request_id).not.toBe(request_id);
    expect(inShort(await takeBack('support-agent', unnamed.request_id))).toEqual(DONE);
    const anew = await read();
    expect([anew.status, anew.body.request_id === unnamed.request_id]).toEqual([200, false]);
  });

  it('at the moment of its approval is cancelled or loses its grant: nothing is left that gives a token', async () => {
    for (let round = 0; round < 10; round += 1) {
      const request_id = `race-${round}`;
      const opened = (await deploy({ request_id })).body.request_id;
      const [answer] = await Promise.all([takeBack('ops-agent', request_id), world.vote(opened, 'approve')]);
      expect(inShort(answer)).toEqual(DONE);
      expect(await standing(opened)).toSatisfy(
        (left: { state: string; grant: string | null }) =>
          left.state === 'cancelled' || left.grant === 'ended',
      );
      expect(errorOf(await deploy({ request_id }))).toBe('400 expired_token');
    }
  });
});

describe('what is refused changes nothing', () => {
  const REFUSED: Record<string, (token: string, requestId: string) => Promise<Answer>> = {
    'the token of another agent': (token) => takeBack('ops-agent', token),
    'the request of another agent': (_, requestId) => takeBack('ops-agent', requestId),
    'an id that nobody has': () => takeBack('support-agent', `areq_${'A'.repeat(22)}`),
    'an id that none can be': () => takeBack('support-agent', 'areq_x'),
    'no token': () => takeBack('support-agent', ''),
    'the name of another agent': (token) => takeBack('support-agent', token, { client_id: 'ops-agent' }),
    'no assertion': (token) => send({ token }),
    'an assertion without its type': async (token) =>
      send({ token, subject_token: await world.assertion('support-agent') }),
    'an assertion that is over': async (token) =>
      send({
        token,
        subject_token: await world.assertion('support-agent', { claims: { exp: 1 } }),
        subject_token_type: JWT_TYPE,
      }),
    'the assertion of an API': (token) => takeBack(READ.audience, token),
    'the token itself as an assertion': (token) =>
      send({ token, subject_token: token, subject_token_type: JWT_TYPE }),
    'two tokens': (token) => world.post('/revoke', `token=${token}&token=${token}`),
  };

  it.each(Object.entries(REFUSED))('%s', async (_, attempt) => {
    const { access_token, request_id } = (await read({ request_id: 'kept' })).body;
    const answer = await attempt(access_token, request_id);
    expect(errorOf(answer)).toBe('400 invalid_request');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await standing(request_id)).toMatchObject({ grant: 'active', tokens: 'ACTIVE' });
  });

  it('the key of another agent, which is only a name: it finds this agent’s own or nothing', async () => {
    const { request_id } = (await read({ request_id: 'same-name' })).body;
    expect(inShort(await takeBack('ops-agent', 'same-name'))).toEqual(DONE);
    expect(await standing(request_id)).toMatchObject({ grant: 'active', tokens: 'ACTIVE' });
  });

  it('a secret, which agents have none of', async () => {
    const { access_token } = (await read()).body;
    expect(errorOf(await takeBack('support-agent', access_token, { client_secret: 'x' }))).toBe(
      '400 invalid_client',
    );
  });
});

it.each(['tokens', 'audit_events', 'revocation_head'])(
  'is 503 and never 200 while the result cannot be stored: %s (D5)',
  async (table) => {
    const { access_token, request_id } = (await read({ request_id: `stalled-${table}` })).body;
    await whileLocked(world.ownerDsn, table, async () => {
      const answer = await takeBack('support-agent', access_token);
      expect(errorOf(answer)).toBe('503 temporarily_unavailable');
      expect(answer.headers.get('retry-after')).toBe('1');
    });
    expect(await standing(request_id)).toMatchObject({ grant: 'active', tokens: 'ACTIVE' });
    expect(inShort(await takeBack('support-agent', access_token))).toEqual(DONE);
  },
);
