/** Narrowing by the page: what is shown narrowed is what is signed, and what the agent gets. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { checkPromises } from '../support/promises.ts';
import { fieldsOf, type OpenedRequest, startConsole, type TestConsole } from './fixture.ts';
import { openPage, pathOf, stateOf, vote } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterEach(() => checkPromises(test.database));
afterAll(() => test.stop());

const BOTH = ['payroll.export', 'reports.read'];

const narrowedPage = async (request: OpenedRequest, cookie: string, query: string) => {
  const answer = await test.get(`${pathOf(request)}?narrow=1&${query}`, { cookie });
  const page = await answer.text();
  return { status: answer.status, page, form: fieldsOf(page) };
};

const termsOf = async ({ requestId }: OpenedRequest) =>
  (
    await sql<{ terms: { scopes: string[] }; terms_digest: string }>`
      select terms, terms_digest from access_requests where id = ${requestId}`.execute(test.database.db)
  ).rows[0];

it('shows what is left as what would be signed, changes nothing by that, and grants exactly it', async () => {
  const request = await test.openRequest({ scopes: BOTH });
  const cookie = await test.signIn(test.people.approver);
  const shown = await narrowedPage(request, cookie, 'keep=reports.read&grant_seconds=300&max_tokens=1');
  expect(shown.page).toContain('shows less than was asked for');
  expect(shown.page).toContain('It is given one token and never another');
  expect(shown.page).toContain('Approve for up to 5 minutes');
  expect(shown.page).not.toContain('value="deny"');
  expect(shown.form.terms_digest).not.toBe(request.termsDigest);
  expect((await termsOf(request))?.terms_digest).toBe(request.termsDigest);
  expect(shown.page).toContain('Also asked for, and left out');

  const sent = { ...shown.form, verdict: 'approve', reason: 'reading is enough' };
  expect((await test.post(pathOf(request), sent, { cookie })).status).toBe(303);
  expect(await stateOf(test, request)).toBe('approved');
  expect(await termsOf(request)).toMatchObject({
    terms: { scopes: ['reports.read'], grant_seconds: 300, max_tokens: 1 },
    terms_digest: shown.form.terms_digest,
  });
});

it.each([
  ['no action', 'grant_seconds=300', 'Keep at least one action'],
  ['more time', 'keep=reports.read&grant_seconds=86400', 'only be made shorter'],
  ['no token', 'keep=reports.read&max_tokens=0', 'only be made smaller'],
])('says what is wrong with %s, and shows the whole', async (_name, query, problem) => {
  const request = await test.openRequest({ scopes: BOTH });
  const shown = await narrowedPage(request, await test.signIn(test.people.approver), query);
  expect([shown.status, shown.form.terms_digest]).toEqual([200, request.termsDigest]);
  expect(shown.page).toContain(problem);
});

it('cannot be widened on the way: the narrowing sent is compared with the terms that were shown', async () => {
  const request = await test.openRequest({ scopes: BOTH });
  const cookie = await test.signIn(test.people.approver);
  const { form } = await narrowedPage(request, cookie, 'keep=reports.read');
  for (const narrowing of [
    '',
    'narrow=1&keep=reports.read&keep=payroll.export',
    'narrow=1&keep=payroll.export',
  ]) {
    const sent = { ...form, narrowing, verdict: 'approve', reason: 'wider' };
    expect((await test.post(pathOf(request), sent, { cookie })).status).toBe(409);
  }
  expect(await stateOf(test, request)).toBe('pending');
});

it('by one of two people is told to the other, whose page says what changed (T102)', async () => {
  const request = await test.openRequest({ scopes: BOTH, quorum: 2 });
  const { form, cookie } = await openPage(test, request, test.people.second);
  const first = await test.signIn(test.people.approver);
  const narrowed = await narrowedPage(request, first, 'keep=reports.read&grant_seconds=300');
  const sent = { ...narrowed.form, verdict: 'approve', reason: 'less' };
  expect((await test.post(pathOf(request), sent, { cookie: first })).status).toBe(303);

  const answer = await test.post(
    pathOf(request),
    { ...form, verdict: 'approve', reason: 'all of it' },
    { cookie },
  );
  const page = await answer.text();
  expect(answer.status).toBe(409);
  expect(page).toContain('actions reports.read instead of payroll.export and reports.read');
  expect(page).toContain('time 5 minutes instead of 30 minutes');
  expect(page).toContain('all of it');
  const again = { ...fieldsOf(page), verdict: 'approve', reason: 'less is fine' };
  expect((await test.post(pathOf(request), again, { cookie })).status).toBe(303);
  expect(await stateOf(test, request)).toBe('approved');
});

it('says whose earlier approval it would void, and shows it so afterwards', async () => {
  const request = await test.openRequest({ scopes: BOTH, quorum: 2 });
  await vote(test, request, test.people.approver);
  const cookie = await test.signIn(test.people.second);
  const shown = await narrowedPage(request, cookie, 'keep=reports.read');
  expect(shown.page).toContain('The approval given before will not count');
  expect(shown.page).toContain('1 of 2 approvals');
  expect(shown.page).toContain('2 different people must approve; 0 did so far');
  const sent = { ...shown.form, verdict: 'approve', reason: 'less' };
  expect((await test.post(pathOf(request), sent, { cookie })).status).toBe(303);
  const page = await (
    await test.get(pathOf(request), { cookie: await test.signIn(test.people.approver) })
  ).text();
  expect(page).toContain('does not count any more');
  expect(page).toContain('name="verdict"');
});

it('says of an earlier denial that it still counts, and of an earlier approval that it does not', async () => {
  const request = await test.openRequest({ scopes: BOTH, quorum: 2, approval: { denyQuorum: 2 } });
  await vote(test, request, test.people.approver, { verdict: 'deny', reason: 'not this' });
  expect(await stateOf(test, request)).toBe('pending');
  const cookie = await test.signIn(test.people.second);
  const shown = await narrowedPage(request, cookie, 'keep=reports.read');
  expect(shown.page).not.toContain('given before will not count');
  const sent = { ...shown.form, verdict: 'approve', reason: 'less' };
  expect((await test.post(pathOf(request), sent, { cookie })).status).toBe(303);
  const page = await (await test.get(pathOf(request), { cookie })).text();
  expect(page).toContain('not this');
  expect(page).not.toContain('does not count any more');

  const third = { ...test.people.second, object: randomUUID(), name: 'Tess Third' };
  await vote(test, request, third, { verdict: 'deny' });
  expect(await stateOf(test, request)).toBe('denied');
  const decided = await (await test.get('/approvals?show=decided&outcome=denied', { cookie })).text();
  expect(decided).toContain('by Avery Approver and Tess Third');
});
