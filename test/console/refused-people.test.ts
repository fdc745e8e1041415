/** People who are turned away: told with the exact reason, by person and network, and found by it. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reasonOfEvent } from '../../src/reasons/catalogue.ts';
import { checkPromises } from '../support/promises.ts';
import { startConsole, type TestConsole } from './fixture.ts';
import { openPage, pathOf } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterAll(async () => {
  await checkPromises(test.database);
  await test.stop();
});

const newest = async () => {
  const { rows } = await sql<{ name: string; body: Record<string, string> }>`
    select name, convert_from(body, 'UTF8')::jsonb as body from audit_events order by position desc limit 1`.execute(
    test.database.db,
  );
  const { name = '', body = {} } = rows[0] ?? {};
  return { name, body, reason: reasonOfEvent(name, body)?.code };
};

const network = '127.0.0.0/24';
const people = () => test.people;
const named = ({ tenant, object }: { tenant: string; object: string }) => ({ tenant, object });

it('a vote without a session is told as signed_out', async () => {
  const request = await test.openRequest();
  const answer = await test.post(pathOf(request), { verdict: 'approve', reason: 'x' });
  expect(answer.status).toBe(403);
  expect(await newest()).toMatchObject({
    name: 'console.refused',
    reason: 'signed_out',
    body: { network },
  });
});

it('a post from elsewhere is told with the network it came from', async () => {
  const answer = await test.post('/sign-out', {}, { origin: 'https://elsewhere.example' });
  expect(answer.status).toBe(403);
  expect(await newest()).toMatchObject({
    name: 'csrf.blocked',
    reason: 'other_origin',
    body: { network },
  });
});

it.each(['/audit', '/approvals', '/'])('a person whose roles do not open %s is told', async (path) => {
  const visitor = { ...people().visitor, object: crypto.randomUUID() };
  const answer = await test.get(path, { cookie: await test.signIn(visitor) });
  expect(answer.status).toBe(403);
  expect(await newest()).toMatchObject({
    name: 'console.refused',
    reason: 'role_missing',
    body: { network, person: named(visitor) },
  });
});

it.each(['/approvals/areq_unknown', '/requests/areq_unknown'])(
  'a person who looks for a request that is not theirs is told: %s',
  async (path) => {
    const looking = { ...people().approver, object: crypto.randomUUID() };
    const answer = await test.get(path, { cookie: await test.signIn(looking) });
    expect(answer.status).toBe(404);
    expect(await newest()).toMatchObject({
      name: 'console.refused',
      reason: 'request_hidden',
      body: { person: named(looking) },
    });
  },
);

it('a vote on what is not theirs is told as one, whether it exists or not', async () => {
  const request = await test.openRequest();
  const ballot = { verdict: 'approve', reason: 'x' };
  const voter = { ...people().knowledge, object: crypto.randomUUID() };
  const cookie = await test.signIn(voter);
  const answers = [
    await test.post(pathOf(request), ballot, { cookie }),
    await test.post('/approvals/areq_unknown', ballot, { cookie }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([404, 404]);
  expect(await newest()).toMatchObject({
    name: 'approval.refused',
    reason: 'not_found',
    body: { approver: named(voter), verdict: 'approve' },
  });
});

it.each([
  ['reason_missing', { reason: ' ' }, 422],
  ['reason_missing', { reason: '\u200b\u2060\u3164\u2800' }, 422],
  ['reason_too_long', { reason: 'x'.repeat(10_000) }, 422],
])('a vote that the page sends back is told as %s', async (reason, changes, status) => {
  const request = await test.openRequest();
  const { cookie, form } = await openPage(test, request, people().approver);
  const answer = await test.post(pathOf(request), { ...form, verdict: 'approve', ...changes }, { cookie });
  expect(answer.status).toBe(status);
  expect(await newest()).toMatchObject({
    name: 'approval.refused',
    reason,
    body: { request_id: request.requestId, agent: 'reporting-agent' },
  });
});

it('a vote from a page that was open too long is told as page_expired', async () => {
  const request = await test.openRequest();
  const { cookie, form } = await openPage(test, request, people().approver);
  const now = test.clock.now;
  test.clock.now = () => new Date(now().getTime() + 11 * 60_000);
  const answer = await test
    .post(pathOf(request), { ...form, verdict: 'deny', reason: 'x' }, { cookie })
    .finally(() => {
      test.clock.now = now;
    });
  expect(answer.status).toBe(403);
  expect(await newest()).toMatchObject({ name: 'approval.refused', reason: 'page_expired' });
});

it('a form with no button pressed is told as form_malformed', async () => {
  const request = await test.openRequest();
  const { cookie } = await openPage(test, request, people().approver);
  expect((await test.post(pathOf(request), { reason: 'x' }, { cookie })).status).toBe(400);
  expect(await newest()).toMatchObject({ name: 'console.refused', reason: 'form_malformed' });
});

it('is found by its reason, and by any reason, and is never confused with a person’s own words', async () => {
  const request = await test.openRequest();
  const { cookie, form } = await openPage(test, request, people().owner);
  const words = '","refused":"already_voted","x":"';
  await test.post(pathOf(request), { ...form, verdict: 'approve', reason: words }, { cookie });
  const auditor = await test.signIn(people().auditor);
  const found = async (reason: string): Promise<string[]> => {
    const page = await test.get(`/audit?request=${request.requestId}&reason=${reason}`, { cookie: auditor });
    return [...(await page.text()).matchAll(/class="why-code" href="\/reasons#(\w+)"/g)].map(
      ([, code = '']) => code,
    );
  };
  expect(await found('owner')).toEqual(['owner']);
  expect(await found('any')).toEqual(['owner']);
  expect(await found('already_voted')).toEqual([]);
  expect((await test.get('/audit?reason=because', { cookie: auditor })).status).toBe(400);
});
