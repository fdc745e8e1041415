import Koa from 'koa';
import { sql } from 'kysely';
import supertest from 'supertest';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createConsole } from '../../src/console/console.tsx';
import { openSession } from '../../src/console/sessions.ts';
import { startConsole, type TestConsole } from './fixture.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterAll(() => test.stop());

const age = async (change: 'seen_at' | 'expires_at', interval: string): Promise<void> => {
  await sql`update console_sessions set ${sql.ref(change)} = now() + ${interval}::interval`.execute(
    test.database.db,
  );
};

const seenAgo = async (): Promise<number> => {
  const { rows } = await sql<{ seconds: number }>`
    select extract(epoch from now() - max(seen_at))::integer as seconds from console_sessions`.execute(
    test.database.db,
  );
  return rows[0]?.seconds ?? -1;
};

const statusOf = async (cookie: string, headers = {}): Promise<number> =>
  (await test.get('/approvals', { cookie, ...headers })).status;

it('ends after half an hour without a request of the person', async () => {
  const cookie = await test.signIn(test.people.approver);
  await age('seen_at', '-29 minutes');
  expect(await statusOf(cookie)).toBe(200);
  expect(await seenAgo()).toBeLessThan(60);
  await age('seen_at', '-31 minutes');
  expect(await statusOf(cookie)).toBe(303);
});

it('is not kept alive by a page that refreshes itself', async () => {
  const cookie = await test.signIn(test.people.approver);
  await age('seen_at', '-29 minutes');
  expect(await statusOf(cookie, { 'hx-request': 'true' })).toBe(200);
  expect(await seenAgo()).toBeGreaterThan(28 * 60);
});

it('ends at its time, however busy', async () => {
  const cookie = await test.signIn(test.people.approver);
  await age('expires_at', '-1 second');
  expect(await statusOf(cookie)).toBe(303);
});

it('ends at once when the person signs out, and says so in the trail', async () => {
  const cookie = await test.signIn(test.people.approver);
  const answer = await test.post('/sign-out', {}, { cookie });
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/signed-out']);
  expect(answer.headers.get('set-cookie')).toMatch(
    /^countersign_session=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax$/,
  );
  expect(await statusOf(cookie)).toBe(303);
  const { rows } = await sql<{ body: object }>`
    select convert_from(body, 'UTF8')::jsonb as body from audit_events where name = 'console.signed_out'`.execute(
    test.database.db,
  );
  expect(rows[0]?.body).toMatchObject({ person: { object: test.people.approver.object } });
});

it('is a new one at every sign-in, and the one before it is dead', async () => {
  const at = { replaces: null, traceId: '0'.repeat(32) };
  const first = await openSession(test.database, test.people.approver, at);
  const second = await openSession(test.database, test.people.approver, { ...at, replaces: first });
  expect(second).not.toBe(first);
  expect(await statusOf(`countersign_session=${first}`)).toBe(303);
  expect(await statusOf(`countersign_session=${second}`)).toBe(200);
});

it('is kept as a digest only: what the database holds signs nobody in', async () => {
  const cookie = await test.signIn(test.people.approver);
  const { rows } = await sql<{ id_hash: Buffer; row: string }>`
    select id_hash, s::text as row from console_sessions s`.execute(test.database.db);
  const id = cookie.split('=')[1] ?? '';
  expect(rows.some(({ row }) => row.includes(id))).toBe(false);
  for (const { id_hash } of rows) {
    expect(await statusOf(`countersign_session=${id_hash.toString('base64url')}`)).toBe(303);
  }
});

it('is kept on https in a cookie that no other host and no plain connection can set', async () => {
  const app = new Koa();
  app.use((context, next) => {
    context.state.clientAddress = '127.0.0.1';
    return next();
  });
  app.use(createConsole({ ...test.options, url: 'https://console.example' }));
  const browser = supertest(app.callback());
  const cookie = (await test.signIn(test.people.approver)).replace('countersign', '__Host-countersign');
  expect((await browser.get('/approvals').set('Cookie', cookie)).status).toBe(200);
  expect((await browser.get('/approvals').set('Cookie', cookie.replace('__Host-', ''))).status).toBe(303);
  const insecure = await browser
    .post('/sign-out')
    .set('Cookie', cookie)
    .set('Origin', 'http://console.example');
  expect(insecure.status).toBe(403);
  const out = await browser.post('/sign-out').set('Cookie', cookie).set('Origin', 'https://console.example');
  expect(out.headers['set-cookie']).toEqual([
    '__Host-countersign_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure',
  ]);
});
