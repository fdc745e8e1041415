/** Whoever answers for an agent never decides for it, by whatever account; and one person is one, by however many. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { checkPromises } from '../support/promises.ts';
import { startConsole, type TestConsole, type TestPerson } from './fixture.ts';
import { openPage, pathOf, stateOf, vote } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterEach(() => checkPromises(test.database));
afterAll(() => test.stop());

const refusedEvents = async (requestId: string): Promise<unknown[]> => {
  const { rows } = await sql<{ refused: string }>`
    select convert_from(body, 'UTF8')::jsonb ->> 'refused' as refused from audit_events
    where request_id = ${requestId} and name = 'approval.refused' order by position`.execute(
    test.database.db,
  );
  return rows.map(({ refused }) => refused);
};

const inCapitals = (person: TestPerson): TestPerson => ({
  ...person,
  tenant: person.tenant.toUpperCase(),
  object: person.object.toUpperCase(),
});

it.each<[string, (people: TestConsole['people']) => TestPerson]>([
  ['an owner', ({ owner }) => owner],
  ['an owner whose ids are written in capitals', ({ owner }) => inCapitals(owner)],
  ['another account of an owner', ({ ownersGuest }) => ownersGuest],
  ['a sponsor', ({ sponsor }) => sponsor],
])('is refused to %s as self_approval, and told (T94)', async (_name, who) => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { form: borrowed } = await openPage(test, request, test.people.second);
  const answer = await vote(test, request, who(test.people), {
    ...borrowed,
    terms_digest: request.termsDigest,
    reason: 'for myself',
  });
  expect(answer.status).toBe(403);
  expect(await answer.text()).toContain('self_approval');
  expect(await refusedEvents(request.requestId)).toEqual(['owner']);
  expect(await stateOf(test, request)).toBe('pending');
});

it('is refused to an agent that is signed in as if it were a person, from its own page (T94)', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const agent = { ...test.people.approver, ...test.registry.agents.get('ops-agent')?.workload };
  const answer = await vote(test, request, agent);
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('self_approval')]);
  expect(await refusedEvents(request.requestId)).toEqual(['not_a_person']);
});

it('shows who answers for the agent, and no vote to them', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  for (const who of [test.people.ownersGuest, test.people.sponsor]) {
    const page = await (await test.get(pathOf(request), { cookie: await test.signIn(who) })).text();
    expect(page).toContain('Sponsor');
    expect(page).toContain('Its owners and sponsors never decide');
    expect(page).not.toContain('name="verdict"');
  }
});

it('counts a person with two accounts once, also when both vote at one instant (T99)', async () => {
  for (let round = 0; round < 5; round += 1) {
    const request = await test.openRequest({ scopes: ['reports.read'], quorum: 2 });
    const accounts = [test.people.approver, test.people.approversGuest];
    const pages = await Promise.all(accounts.map((who) => openPage(test, request, who)));
    const answers = await Promise.all(
      pages.map(({ form, cookie }) =>
        test.post(pathOf(request), { ...form, verdict: 'approve', reason: 'twice' }, { cookie }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 409]);
    expect(await stateOf(test, request)).toBe('pending');
  }
});
