import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { checkPromises } from '../support/promises.ts';
import { eventsOf, startConsole, type TestConsole } from './fixture.ts';
import { pathOf, stateOf, vote } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterEach(() => checkPromises(test.database));
afterAll(() => test.stop());

it('approves, leads back to the request by GET, and is told', async () => {
  const request = await test.openRequest();
  const answer = await vote(test, request, test.people.approver);
  expect([answer.status, answer.headers.get('location')]).toEqual([303, pathOf(request)]);
  expect(await stateOf(test, request)).toBe('approved');
  expect((await eventsOf(test, request.requestId)).slice(-2)).toEqual(['approval.given', 'grant.opened']);
});

it('denies', async () => {
  const request = await test.openRequest();
  expect((await vote(test, request, test.people.approver, { verdict: 'deny' })).status).toBe(303);
  expect(await stateOf(test, request)).toBe('denied');
});

it('counts one of two, and says so on the page', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'], quorum: 2 });
  await vote(test, request, test.people.approver);
  expect(await stateOf(test, request)).toBe('pending');
  const cookie = await test.signIn(test.people.approver);
  const page = await (await test.get(pathOf(request), { cookie })).text();
  expect(page).toContain('You have voted');
  expect(page).not.toContain('name="verdict"');
  await vote(test, request, test.people.second);
  expect(await stateOf(test, request)).toBe('approved');
});

it('keeps a reason as it was typed, line breaks and all', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  await vote(test, request, test.people.approver, { reason: 'first\r\nsecond <b>' });
  const { rows } = await sql`select reason from votes where request_id = ${request.requestId}`.execute(
    test.database.db,
  );
  expect(rows).toEqual([{ reason: 'first\nsecond <b>' }]);
});
