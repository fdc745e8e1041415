import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startConsole, type TestConsole } from './fixture.ts';
import { vote } from './voting.ts';

let test: TestConsole;
let cookie: string;
beforeAll(async () => {
  test = await startConsole();
});
beforeEach(async () => {
  await sql`update access_requests set state = 'cancelled' where state = 'pending'`.execute(test.database.db);
  await sql`update denials set lifted_at = now()`.execute(test.database.db);
  cookie = await test.signIn(test.people.approver);
});
afterAll(() => test.stop());

const page = async (path: string, who = cookie): Promise<string> =>
  (await test.get(path, { cookie: who })).text();
const listed = (text: string): string[] =>
  [...text.matchAll(/id="open-(areq_[\w-]+)"/g)].map(([, id = '']) => id);
const scope = { scopes: ['reports.read'] };

it('shows what waits for the person’s groups and nothing else, the first to close first', async () => {
  const late = await test.openRequest(scope);
  const soon = await test.openRequest({ ...scope, approval: { pendingSeconds: 300 } });
  const other = await test.openRequest({
    agent: 'support-agent',
    audience: 'api://knowledge.prod',
    scopes: ['articles.write'],
    groups: ['knowledge'],
  });
  expect(listed(await page('/approvals'))).toEqual([soon.requestId, late.requestId, other.requestId]);
  const knowledge = await test.signIn(test.people.knowledge);
  expect(listed(await page('/approvals', knowledge))).toEqual([other.requestId]);
});

it('leaves out what is over, though no sweeper has said so yet', async () => {
  const { requestId } = await test.openRequest(scope);
  await sql`update access_requests set expires_at = now() - interval '1 second' where id = ${requestId}`.execute(
    test.database.db,
  );
  expect(listed(await page('/approvals'))).toEqual([]);
  const shown = await page(`/approvals/${requestId}`);
  expect(shown).toContain('Expired undecided');
  expect(shown).not.toContain('name="verdict"');
});

it('finds what was decided, the newest first, with who decided', async () => {
  const first = await test.openRequest(scope);
  const second = await test.openRequest(scope);
  await vote(test, first, test.people.approver);
  await vote(test, second, test.people.second, { verdict: 'deny' });
  const text = await page('/approvals?show=decided');
  expect(listed(text).slice(0, 2)).toEqual([second.requestId, first.requestId]);
  expect(text).toContain('by Sam Second');
  expect(listed(await page('/approvals'))).toEqual([]);
});

it('pages by what was last seen, so that nothing is skipped or shown twice', async () => {
  const opened = [];
  for (let index = 0; index < 53; index += 1)
    opened.push((await test.openRequest({ scopes: [`reports.r${index}`] })).requestId);
  const first = await page('/approvals');
  const next = /<a href="(\/approvals\?after=[^"]+)"/.exec(first)?.[1] ?? '';
  const late = await test.openRequest({ scopes: ['reports.last'] });
  const second = await page(next.replaceAll('&amp;', '&'));
  expect([...listed(first), ...listed(second)].sort()).toEqual([...opened, late.requestId].sort());
});

it('takes a cursor that is none for no cursor', async () => {
  const { requestId } = await test.openRequest(scope);
  for (const after of ["'; drop table votes", '2026-99-99T00:00:00.000000Z~x', '%00', 'x'.repeat(500)]) {
    const answer = await test.get(`/approvals?after=${encodeURIComponent(after)}`, { cookie });
    expect([after, answer.status]).toEqual([after, 200]);
    expect(listed(await answer.text())).toContain(requestId);
  }
});

it('answers a page that refreshes itself with the part alone, and with 304 while nothing changed', async () => {
  await test.openRequest(scope);
  const whole = await page('/approvals');
  const tag = /hx-ptag="([0-9a-f]+)"/.exec(whole)?.[1] ?? '';
  const part = { cookie, 'hx-request': 'true' };
  const same = await test.get('/approvals', { ...part, 'hx-ptag': tag });
  expect([same.status, await same.text()]).toEqual([304, '']);
  expect((await test.get('/approvals', { ...part, 'if-none-match': `"${tag}"` })).status).toBe(304);
  const again = await test.get('/approvals', part);
  const text = await again.text();
  expect([again.status, again.headers.get('etag')]).toEqual([200, `"${tag}"`]);
  expect(whole).toContain(text);
  expect(text).not.toContain('<html');
  await test.openRequest({ scopes: ['reports.more'] });
  const changed = await test.get('/approvals', { ...part, 'hx-ptag': tag });
  expect(changed.status).toBe(200);
  expect(changed.headers.get('hx-ptag')).not.toBe(tag);
});

it('tells an owner that others decide', async () => {
  const { requestId } = await test.openRequest(scope);
  const owner = await test.signIn(test.people.owner);
  expect(await page('/approvals', owner)).toContain('You answer for this agent');
  const shown = await page(`/approvals/${requestId}`, owner);
  expect(shown).toContain('Its owners and sponsors never decide');
  expect(shown).not.toContain('name="verdict"');
});
