import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PrivateDatabase, startPrivateDatabase } from '../support/database.ts';
import { fieldsOf, startConsole, type TestConsole } from './fixture.ts';
import { issueToken, standingOf } from './issued.ts';
import { openPage, pathOf, stateOf } from './voting.ts';

let server: PrivateDatabase;
let test: TestConsole;
beforeAll(async () => {
  server = await startPrivateDatabase();
  test = await startConsole({ ...server, drop: async () => undefined });
});
afterAll(async () => {
  await test.stop();
  await server.remove();
});

it('says that it cannot reach its database, quickly, without telling anything of it', async () => {
  const cookie = await test.signIn(test.people.approver);
  await server.stop();
  const started = performance.now();
  const answer = await test.get('/approvals', { cookie });
  expect(performance.now() - started).toBeLessThan(15_000);
  const text = await answer.text();
  expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true]);
  expect(text).toContain('temporarily_unavailable');
  expect(text).not.toMatch(/postgres|ECONN|select |127\.0\.0\.1:\d+\/|node_modules/i);
  const part = await test.get('/approvals', { cookie, 'hx-request': 'true' });
  expect([part.status, (await part.text()).startsWith('<div')]).toEqual([503, true]);
  await server.start();
  expect((await test.get('/approvals', { cookie })).status).toBe(200);
});

it('keeps what was typed when a vote cannot be stored, and counts it when it is pressed again', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { cookie, form } = await openPage(test, request, test.people.approver);
  const words = `typed ${randomBytes(4).toString('hex')}`;
  const sent = { ...form, verdict: 'approve', reason: words };
  await server.stop();
  const answer = await test.post(pathOf(request), sent, { cookie });
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain(words);
  await server.start();
  expect(await stateOf(test, request)).toBe('pending');
  expect((await test.post(pathOf(request), sent, { cookie })).status).toBe(303);
  expect(await stateOf(test, request)).toBe('approved');
});

it('never takes for taken back what could not be stored: a grant, a token, a kill switch', async () => {
  const token = await issueToken(test);
  const [operator, admin] = [
    await test.signIn(test.people.operator),
    await test.signIn(test.people.security),
  ];
  const fields = async (path: string, cookie: string) =>
    fieldsOf(await (await test.get(path, { cookie })).text());
  const path = `/tokens/${token.jti}`;
  const words = `typed ${randomBytes(4).toString('hex')}`;
  const sent = { ...(await fields(path, operator)), reason: words };
  const block = { ...(await fields('/blocks', admin)), kind: 'agent', subject: 'ops-agent', reason: words };
  await server.stop();
  for (const [address, form, cookie] of [
    [path, { ...sent, deed: 'end_grant' }, operator],
    [path, { ...sent, deed: 'revoke_token' }, operator],
    [`/requests/${token.requestId}/grant`, { ...sent, deed: 'end_grant' }, operator],
    ['/blocks', { ...block, deed: 'set_block' }, admin],
  ] as const) {
    const answer = await test.post(address, form, { cookie });
    expect([address, answer.status]).toEqual([address, 503]);
    expect(await answer.text()).toContain(words);
  }
  await server.start();
  expect(await standingOf(test, token)).toEqual({ token: 'ACTIVE', grant: 'active', by: null });
  expect((await test.post(path, { ...sent, deed: 'end_grant' }, { cookie: operator })).status).toBe(303);
  expect((await standingOf(test, token)).grant).toBe('ended');
});
