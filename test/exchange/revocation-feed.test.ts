/** `GET /revocations` as an API sees it. */
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { revokeGrants } from '../../src/access/end.ts';
import { logRevocations } from '../../src/revocation/revocation-log.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld({ brokers: 2 });
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const verify = async (jws: string) => {
  const jwks = createRemoteJWKSet(new URL(`${world.issuer}/jwks`));
  const { payload, protectedHeader } = await jwtVerify(jws, jwks, {
    issuer: world.issuer,
    typ: 'revocations+jwt',
    algorithms: ['ES256'],
  });
  return { payload, protectedHeader };
};

const read = async (after?: string, headers: Readonly<Record<string, string>> = {}) => {
  const query = after === undefined ? '' : `?after=${encodeURIComponent(after)}`;
  const answer = await world.get(`/revocations${query}`, headers);
  expect(answer.status).toBe(200);
  return { ...answer, ...(await verify(answer.body)) };
};

const issue = async () => {
  const { body } = await world.exchange({
    subject_token: await world.assertion('support-agent'),
    audience: 'api://knowledge.prod',
    scope: 'articles.read',
  });
  const { jti, exp } = JSON.parse(atob(body.access_token.split('.')[1] ?? ''));
  return { jti, exp, requestId: body.request_id as string };
};

const revoke = async (requestId: string): Promise<void> => {
  const { rows } = await sql<{ id: string }>`select id from grants where request_id = ${requestId}`.execute(
    world.database.db,
  );
  const ending = { requestId, agentId: 'support-agent', grantId: rows[0]?.id ?? '' };
  await revokeGrants(world.database, [ending], {
    by: 'test',
    cause: 'policy no longer allows it',
    endedBy: null,
  });
};

it('is signed like a token, for anybody, to be kept by nobody, and tells nothing else', async () => {
  const { headers, payload, protectedHeader } = await read();
  expect(headers.get('content-type')).toBe('application/jwt');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(protectedHeader).toEqual({ typ: 'revocations+jwt', alg: 'ES256', kid: expect.any(String) });
  expect(payload).toEqual({
    iss: world.issuer,
    iat: expect.any(Number),
    cursor: expect.any(String),
    complete: true,
    revoked: [],
    not_before: {},
  });
});

it('answers a reader who waits as soon as a grant was revoked, whoever did it', async () => {
  await revoke((await issue()).requestId);
  await expect.poll(async () => (await read()).payload.revoked).toHaveLength(1);
  const { jti, exp, requestId } = await issue();
  const { payload } = await read();
  const held = read(payload.cursor as string, { prefer: 'wait=30' });
  await revoke(requestId);
  const { payload: delta } = await held;
  const place = { complete: false, after: payload.cursor };
  expect(delta).toMatchObject({ ...place, revoked: [{ jti, exp }], not_before: {} });
  expect((await read(payload.cursor as string)).payload.revoked).toEqual([{ jti, exp }]);
  const { payload: all } = await read();
  expect(all.complete).toBe(true);
  expect(all.revoked).toContainEqual({ jti, exp });
});

it('answers with nothing, freshly signed, when nothing came while it waited', async () => {
  const { payload } = await read();
  const { payload: later } = await read(payload.cursor as string, { prefer: 'wait=1' });
  expect(later).toMatchObject({ complete: false, cursor: payload.cursor, revoked: [], not_before: {} });
  expect(later.iat).toBeGreaterThan(payload.iat ?? 0);
});

it('tells in a delta the not-befores that changed, and no others', async () => {
  const second = (seconds: number) => new Date(seconds * 1_000);
  const now = Math.floor(Date.now() / 1_000);
  await logRevocations(world.database.db, [{ kind: 'agent', subject: 'idle-agent', until: second(now - 2) }]);
  const { payload } = await read((await read()).payload.cursor as string, { prefer: 'wait=2' });
  const held = read(payload.cursor as string, { prefer: 'wait=30' });
  await logRevocations(world.database.db, [{ kind: 'environment', subject: 'dev', until: second(now - 1) }]);
  expect((await held).payload.not_before).toEqual({ environments: { dev: now - 1 } });
  expect((await read()).payload.not_before).toEqual({
    agents: { 'idle-agent': now - 2 },
    environments: { dev: now - 1 },
  });
});

it('gives everything to a reader whose cursor it does not know, without letting it wait', async () => {
  for (const cursor of ['', 'x', '7.00000000-0000-4000-8000-000000000000'])
    expect((await read(cursor, { prefer: 'wait=30' })).payload.complete).toBe(true);
});
