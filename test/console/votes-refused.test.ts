import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { cancelRequest } from '../../src/access/revoke.ts';
import { checkPromises } from '../support/promises.ts';
import { fieldsOf, type OpenedRequest, startConsole, type TestConsole } from './fixture.ts';
import { openPage, pathOf, stateOf, vote } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterEach(() => checkPromises(test.database));
afterAll(() => test.stop());

const refusedEvents = async ({ requestId }: OpenedRequest): Promise<string[]> => {
  const { rows } = await sql<{ refused: string }>`
    select convert_from(body, 'UTF8')::jsonb ->> 'refused' as refused from audit_events
    where request_id = ${requestId} and name = 'approval.refused'`.execute(test.database.db);
  return rows.map(({ refused }) => refused);
};

const cases = [
  ['without any action token', { approve_token: '' }],
  ['with the token of the other verdict', { verdict: 'deny', deny_token: undefined }],
  ['with a token that was tampered with', { approve_token: `9999999999.${'A'.repeat(43)}` }],
  ['with terms that the token was not made for', { terms_digest: 'f'.repeat(64) }],
] as const;
it.each(cases)('%s changes nothing and keeps the reason', async (_, changes) => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { cookie, form } = await openPage(test, request, test.people.approver);
  const swapped = { ...form, deny_token: form.approve_token ?? '', verdict: 'approve', ...changes };
  const sent = Object.fromEntries(
    Object.entries(swapped).map(([name, value]) => [name, value ?? form.approve_token ?? '']),
  );
  const answer = await test.post(pathOf(request), { ...sent, reason: 'my careful words' }, { cookie });
  expect(answer.status).toBe(403);
  const page = await answer.text();
  expect(page).toContain('my careful words');
  expect(fieldsOf(page).approve_token).toMatch(/^\d+\./);
  expect(await stateOf(test, request)).toBe('pending');
});

it('refuses the token of another session of the same person', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { form } = await openPage(test, request, test.people.approver);
  const cookie = await test.signIn(test.people.approver);
  const answer = await test.post(pathOf(request), { ...form, verdict: 'approve', reason: 'x' }, { cookie });
  expect(answer.status).toBe(403);
  expect(await stateOf(test, request)).toBe('pending');
});

it('refuses the token of another request on the same terms', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const other = await test.openRequest({ scopes: ['reports.read'] });
  expect(other.termsDigest).toBe(request.termsDigest);
  const { cookie, form } = await openPage(test, other, test.people.approver);
  const answer = await test.post(pathOf(request), { ...form, verdict: 'approve', reason: 'x' }, { cookie });
  expect(answer.status).toBe(403);
  expect(await stateOf(test, request)).toBe('pending');
});

it('refuses a page that was open for more than ten minutes, and one press later takes it', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { cookie, form } = await openPage(test, request, test.people.approver);
  test.clock.now = () => new Date(Date.now() + 601_000);
  try {
    const sent = { ...form, verdict: 'approve', reason: 'thought about it for long' };
    const late = await test.post(pathOf(request), sent, { cookie });
    const page = await late.text();
    expect(late.status).toBe(403);
    expect(page).toContain('more than ten minutes');
    expect(page).toContain('thought about it for long');
    expect((await test.post(pathOf(request), { ...sent, ...fieldsOf(page) }, { cookie })).status).toBe(303);
  } finally {
    test.clock.now = () => new Date();
  }
});

it.each([
  ['no reason', ' \n '],
  ['a reason that is too long', 'x'.repeat(1001)],
])('asks again for %s', async (_, reason) => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const answer = await vote(test, request, test.people.approver, { reason });
  expect(answer.status).toBe(422);
  expect(await answer.text()).toContain('role="alert"');
  expect(await stateOf(test, request)).toBe('pending');
});

it('is refused to an owner of the agent, told as self_approval, whatever the form says', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { form } = await openPage(test, request, test.people.owner);
  expect(form.approve_token).toBeUndefined();
  const { form: borrowed } = await openPage(test, request, test.people.approver);
  for (const fields of [{}, borrowed]) {
    const answer = await vote(test, request, test.people.owner, {
      ...fields,
      terms_digest: request.termsDigest,
    });
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('self_approval');
  }
  expect(await refusedEvents(request)).toEqual(['owner', 'owner']);
  expect(await stateOf(test, request)).toBe('pending');
});

it('gives the same answer for what is unknown and what another group decides', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const cookie = await test.signIn(test.people.knowledge);
  const form = { verdict: 'approve', reason: 'x', approve_token: 'x', terms_digest: request.termsDigest };
  const paths = [
    pathOf(request),
    '/approvals/areq_unknown',
    '/approvals/%00',
    `/approvals/${'x'.repeat(200)}`,
  ];
  const bodies = new Set<string>();
  for (const path of paths) {
    const posted = await test.post(path, form, { cookie });
    const shown = await test.get(path, { cookie });
    expect([posted.status, shown.status]).toEqual([404, 404]);
    bodies.add((await shown.text()).replaceAll(/nonce="[^"]+"/g, ''));
  }
  expect(bodies.size).toBe(1);
  expect(await stateOf(test, request)).toBe('pending');
});

it('on a decided request is a conflict that shows how it stands', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { cookie, form } = await openPage(test, request, test.people.second);
  await vote(test, request, test.people.approver);
  for (const fields of [form, {}]) {
    const sent = { ...fields, verdict: 'deny', reason: 'too late, but typed' };
    const answer = await test.post(pathOf(request), sent, { cookie });
    expect(answer.status).toBe(409);
    const page = await answer.text();
    expect(page).toContain('already decided');
    expect(page).toContain('Avery Approver');
    expect(page).toContain('too late, but typed');
  }
  expect(await stateOf(test, request)).toBe('approved');
});

it('on a request that its agent took back is a conflict, and the page says so (T89)', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { cookie, form } = await openPage(test, request, test.people.approver);
  const author = { by: 'agent:reporting-agent', reason: 'the agent took its request back' };
  expect(await cancelRequest(test.database, request.requestId, author)).toBe('cancelled');
  const sent = { ...form, verdict: 'approve', reason: 'checked' };
  expect((await test.post(pathOf(request), sent, { cookie })).status).toBe(409);
  expect(await (await test.get(pathOf(request), { cookie })).text()).toContain('Taken back');
  expect(await stateOf(test, request)).toBe('cancelled');
});

it('pressed twice at once counts once', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'], quorum: 2 });
  const { cookie, form } = await openPage(test, request, test.people.approver);
  const sent = { ...form, verdict: 'approve', reason: 'double click' };
  const answers = await Promise.all([1, 2, 3].map(() => test.post(pathOf(request), sent, { cookie })));
  expect(answers.map(({ status }) => status).sort()).toEqual([303, 409, 409]);
  expect(await stateOf(test, request)).toBe('pending');
});

it('is refused from a sign-in older than an hour, with a link to sign in again', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { cookie, form } = await openPage(test, request, test.people.approver, 3590);
  await sql`update console_sessions set signed_in_at = now() - interval '3601 seconds'`.execute(
    test.database.db,
  );
  const answer = await test.post(
    pathOf(request),
    { ...form, verdict: 'approve', reason: 'kept too' },
    { cookie },
  );
  const page = await answer.text();
  expect(answer.status).toBe(403);
  expect(page).toContain('kept too');
  expect(page).toContain(`/sign-in?return_to=${encodeURIComponent(pathOf(request))}&amp;again=1`);
  expect(await refusedEvents(request)).toEqual(['sign_in_too_old']);
});

it('on terms that changed after the page was made shows the new ones', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { cookie, form } = await openPage(test, request, test.people.approver);
  await sql`update access_requests set terms_digest = ${'e'.repeat(64)} where id = ${request.requestId}`.execute(
    test.database.db,
  );
  const answer = await test.post(
    pathOf(request),
    { ...form, verdict: 'approve', reason: 'for the old' },
    { cookie },
  );
  const page = await answer.text();
  expect(answer.status).toBe(409);
  expect(page).toContain('the terms changed');
  expect(fieldsOf(page).terms_digest).toBe('e'.repeat(64));
});

it('without a session is refused, and what was typed is kept', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const answer = await test.post(pathOf(request), { verdict: 'approve', reason: 'typed for long' });
  expect(answer.status).toBe(403);
  expect(await answer.text()).toContain('typed for long');
});
