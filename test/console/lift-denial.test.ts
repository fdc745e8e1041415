/** Lifting a denial by its form: who sees it, who may, and what a post must bring. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { registryDocument } from '../../src/registry/registry-schema.ts';
import { checkPromises } from '../support/promises.ts';
import {
  eventsOf,
  fieldsOf,
  type OpenedRequest,
  startConsole,
  type TestConsole,
  type TestPerson,
} from './fixture.ts';
import { registryEntries } from './registry-fixture.ts';
import { vote } from './voting.ts';

let test: TestConsole;
let operator: TestPerson;
beforeAll(async () => {
  test = await startConsole();
  operator = { ...test.people.auditor, roles: ['Operator'], name: 'Olga Operator' };
});
afterEach(() => checkPromises(test.database));
afterAll(() => test.stop());

let opened = 0;
/** For an action of its own: no denial of another test holds for it. */
const denied = async (): Promise<OpenedRequest> => {
  opened += 1;
  const request = await test.openRequest({ scopes: [`reports.denied-${opened}`] });
  const answer = await vote(test, request, test.people.approver, { verdict: 'deny', reason: 'not today' });
  expect(answer.status).toBe(303);
  return request;
};

const pathOf = ({ requestId }: OpenedRequest): string => `/requests/${requestId}`;

const open = async (request: OpenedRequest, who: TestPerson, ageSeconds = 0) => {
  const cookie = await test.signIn(who, ageSeconds);
  const answer = await test.get(pathOf(request), { cookie });
  const page = await answer.text();
  return { cookie, status: answer.status, page, form: fieldsOf(page) };
};

const lift = async (
  request: OpenedRequest,
  who: TestPerson,
  fields: Readonly<Record<string, string>> = {},
): Promise<Response> => {
  const { cookie, form } = await open(request, who);
  return test.post(pathOf(request), { ...form, reason: 'it may ask again', ...fields }, { cookie });
};

const holds = async ({ requestId }: OpenedRequest): Promise<boolean> => {
  const { rows } = await sql`select from denials where request_id = ${requestId} and lifted_at is null
    and held_until > now()`.execute(test.database.db);
  return rows.length > 0;
};

const refusals = async ({ requestId }: OpenedRequest): Promise<unknown[]> => {
  const { rows } = await sql<{ body: { refused: string; verdict: string } }>`
    select convert_from(body, 'UTF8')::jsonb as body from audit_events
    where request_id = ${requestId} and name = 'approval.refused' order by position`.execute(
    test.database.db,
  );
  return rows.map(({ body: { refused, verdict } }) => [verdict, refused]);
};

it.each<[string, () => TestPerson]>([
  ['an approver of its group', () => test.people.second],
  ['an Operator', () => operator],
])('is lifted by %s, who reads who denied it, and then it is told', async (_name, who) => {
  const request = await denied();
  const before = await open(request, who());
  expect(before.page).toContain('<b>Avery Approver</b> denied this');
  expect(before.page).toContain('Lift this denial');
  const answer = await lift(request, who());
  expect([answer.status, answer.headers.get('location')]).toEqual([303, pathOf(request)]);
  expect(await holds(request)).toBe(false);
  expect((await eventsOf(test, request.requestId)).at(-1)).toBe('denial.lifted');
  const after = await open(request, who());
  expect(after.page).toContain('denial.lifted');
  expect(after.page).not.toContain('Lift this denial');
});

it('is offered on the approval page, too, and not where nothing was denied', async () => {
  const request = await denied();
  const cookie = await test.signIn(test.people.second);
  const page = async (id: string) => (await test.get(`/approvals/${id}`, { cookie })).text();
  const shown = await page(request.requestId);
  expect(shown).toContain('Lift this denial');
  const sent = { ...fieldsOf(shown), reason: 'from the other page' };
  expect((await test.post(pathOf(request), sent, { cookie })).status).toBe(303);
  const waiting = await test.openRequest({ scopes: ['reports.read'] });
  expect(await page(waiting.requestId)).not.toContain('The denial holds');
  expect((await lift(waiting, test.people.second)).status).toBe(404);
});

it('is a conflict the second time, also where both press at one instant', async () => {
  const request = await denied();
  const pages = await Promise.all([test.people.second, operator].map((who) => open(request, who)));
  const answers = await Promise.all(
    pages.map(({ form, cookie }) => test.post(pathOf(request), { ...form, reason: 'now' }, { cookie })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([303, 409]);
  const again = await lift(request, test.people.second);
  expect([again.status, await again.text()]).toEqual([409, expect.stringContaining('lifted before')]);
  const events = await eventsOf(test, request.requestId);
  expect(events.filter((name) => name === 'denial.lifted')).toHaveLength(1);
});

it.each<[string, () => TestPerson]>([
  ['an owner of the agent', () => test.people.owner],
  ['another account of an owner', () => test.people.ownersGuest],
  ['a sponsor', () => test.people.sponsor],
  ['an owner who is an Operator', () => ({ ...test.people.owner, roles: ['Operator'] })],
])('is never lifted by %s, with whatever form', async (_name, who) => {
  const request = await denied();
  const { page, form } = await open(request, who());
  expect(page).toContain('You answer for this agent');
  expect(form.lift_token).toBeUndefined();
  const { form: borrowed } = await open(request, test.people.second);
  const answer = await lift(request, who(), borrowed);
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('self_approval')]);
  expect(await refusals(request)).toEqual([['lift', 'owner']]);
  expect(await holds(request)).toBe(true);
});

it('is not lifted by an auditor, who reads why, nor by an approver of another group or anybody else', async () => {
  const request = await denied();
  const { page } = await open(request, test.people.auditor);
  expect(page).toContain('An approver of a group that could decide on it may lift it, or an Operator');
  expect(page).not.toContain('Lift this denial');
  const { form } = await open(request, test.people.second);
  for (const who of [test.people.auditor, test.people.knowledge, test.people.visitor]) {
    const answer = await lift(request, who, form);
    expect([answer.status, await answer.text()]).toEqual([404, expect.not.stringContaining('denial.given')]);
  }
  expect(await refusals(request)).toEqual(Array.from({ length: 3 }, () => ['lift', 'not_eligible']));
  expect(await holds(request)).toBe(true);
});

it('shows nothing of a request to those it is not open to, whatever they accept', async () => {
  const request = await denied();
  test.setRegistry(buildRegistry(test.registry.revision, { agents: [], resources: [], people: [] } as never));
  try {
    const cookie = await test.signIn(test.people.visitor);
    const headers = { cookie, accept: 'application/json' };
    const answer = await test.post(pathOf(request), { reason: 'x' }, headers);
    expect([answer.status, await answer.text()]).toEqual([404, expect.not.stringContaining('denial.given')]);
    const gone = await lift(request, test.people.second);
    expect([gone.status, await gone.text()]).toEqual([
      409,
      expect.stringContaining('not registered any more'),
    ]);
  } finally {
    test.setRegistry(test.registry);
  }
});

it('is not lifted by whoever answers for the agent by now, where this replica does not know it yet', async () => {
  const request = await denied();
  const { owner, sponsor, knowledge } = test.people;
  const before = registryEntries({ owner, sponsor: knowledge, people: [] });
  test.setRegistry(buildRegistry(0, registryDocument.parse(before)));
  test.policy.catchUp = async () => test.setRegistry(test.registry);
  const answer = await lift(request, sponsor);
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('self_approval')]);
  expect(await holds(request)).toBe(true);
});

it.each<[string, Readonly<Record<string, string | undefined>>]>([
  ['from another origin', { origin: 'https://elsewhere.example' }],
  ['from another site', { 'sec-fetch-site': 'cross-site' }],
  ['that says nothing of where it comes from', { origin: undefined, 'sec-fetch-site': undefined }],
])('is not lifted by a post %s', async (_name, headers) => {
  const request = await denied();
  const { cookie, form } = await open(request, test.people.second);
  const answer = await test.post(pathOf(request), { ...form, reason: 'x' }, { cookie, ...headers });
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('csrf')]);
  expect(await holds(request)).toBe(true);
});

it('is not lifted with no token, a token of another session, of another request or of a vote', async () => {
  const request = await denied();
  const other = await denied();
  const waiting = await test.openRequest({ scopes: ['reports.read'] });
  const cookie = await test.signIn(test.people.second);
  const read = async (path: string) => fieldsOf(await (await test.get(path, { cookie })).text());
  const votes = await read(`/approvals/${waiting.requestId}`);
  const tokens = [
    '',
    (await open(request, test.people.second)).form.lift_token,
    (await read(pathOf(other))).lift_token,
    votes.approve_token,
    votes.deny_token,
  ];
  for (const lift_token of tokens) {
    const sent = { lift_token: lift_token ?? 'none', reason: 'my careful words' };
    const answer = await test.post(pathOf(request), sent, { cookie });
    const page = await answer.text();
    expect([answer.status, page]).toEqual([403, expect.stringContaining('my careful words')]);
    expect(fieldsOf(page).lift_token).toMatch(/^\d+\./);
  }
  expect(await holds(request)).toBe(true);
});

it.each([
  ['no reason', ' \n '],
  ['a reason that is too long', 'x'.repeat(1001)],
])('asks again for %s', async (_name, reason) => {
  const request = await denied();
  const answer = await lift(request, test.people.second, { reason });
  expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining('role="alert"')]);
  expect(await holds(request)).toBe(true);
});

it('is not lifted from a sign-in older than an hour, which leads to a new one', async () => {
  const request = await denied();
  const { cookie, form } = await open(request, test.people.second, 3590);
  await sql`update console_sessions set signed_in_at = now() - interval '3601 seconds'`.execute(
    test.database.db,
  );
  const answer = await test.post(pathOf(request), { ...form, reason: 'kept too' }, { cookie });
  const page = await answer.text();
  expect(answer.status).toBe(403);
  expect(page).toContain('kept too');
  expect(page).toContain(`/sign-in?return_to=${encodeURIComponent(pathOf(request))}&amp;again=1`);
  expect(await refusals(request)).toEqual([['lift', 'sign_in_too_old']]);
  const signedOut = await test.post(pathOf(request), { ...form, reason: 'x' });
  expect([signedOut.status, await holds(request)]).toEqual([403, true]);
});
