/** What a page showed beside the terms: a vote counts only while all of it is so. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { type RegistryDocument, registryDocument } from '../../src/registry/registry-schema.ts';
import { APPROVAL } from '../support/access.ts';
import { checkPromises } from '../support/promises.ts';
import { fieldsOf, startConsole, type TestConsole } from './fixture.ts';
import { registryEntries } from './registry-fixture.ts';
import { PERMITTED_NOW } from './requests-fixture.ts';
import { openPage, pathOf, stateOf, vote } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
beforeEach(() => {
  test.policy.decide = () => Promise.resolve(PERMITTED_NOW);
  test.setRegistry(test.registry);
});
afterEach(() => checkPromises(test.database));
afterAll(() => test.stop());

/** The registry without sponsors and further accounts, and with something changed about the API. */
const changeApi = (change: Partial<RegistryDocument['resources'][number]>): void => {
  const document = registryDocument.parse(registryEntries({ owner: test.people.owner }));
  const resources = document.resources.map((resource) =>
    resource.audience === 'api://reports.prod' ? { ...resource, ...change } : resource,
  );
  test.setRegistry(buildRegistry(1, { ...document, resources }));
};

it.each<[string, string, () => void]>([
  [
    'the words of the API',
    'the API’s registration',
    () => changeApi({ description: 'Something else altogether.' }),
  ],
  ['its sensitivity', 'the API’s registration', () => changeApi({ sensitivity: 'critical' })],
  ['who answers for the agent', 'the agent’s registration or who answers for it', () => changeApi({})],
  [
    'policy',
    'what policy says',
    () => {
      const approval = { ...APPROVAL, quorum: 2 };
      test.policy.decide = () => Promise.resolve({ ...PERMITTED_NOW, decision: 'needs_approval', approval });
    },
  ],
])('is a conflict that says so, if %s changed meanwhile (T102)', async (_name, said, change) => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { form, cookie } = await openPage(test, request, test.people.approver);
  change();
  const answer = await test.post(
    pathOf(request),
    { ...form, verdict: 'approve', reason: 'as I read it' },
    { cookie },
  );
  const page = await answer.text();
  expect(answer.status).toBe(409);
  expect(page).toContain(said);
  expect(page).toContain('as I read it');
  expect(await stateOf(test, request)).toBe('pending');
  const again = { ...fieldsOf(page), verdict: 'approve', reason: 'read again' };
  expect((await test.post(pathOf(request), again, { cookie })).status).toBe(303);
});

it('shows authorization details whole, however much of what is harmless stands first', async () => {
  const files = Array.from({ length: 100 }, (_, index) => `report-${index}-of-the-finance-team`);
  const request = await test.openRequest({
    details: [{ type: 'export', files, recipient: 'somebody-else' }],
  });
  const cookie = await test.signIn(test.people.approver);
  const page = await (await test.get(pathOf(request), { cookie })).text();
  expect(page).toContain('report-99-of-the-finance-team');
  expect(page).toContain('somebody-else');
  expect(page).not.toContain('more bytes');
});

it('is a conflict that says so, if another request for the same was denied meanwhile', async () => {
  const twin = await test.openRequest();
  const request = await test.openRequest();
  const { cookie, form } = await openPage(test, request, test.people.second);
  const third = await test.openRequest();
  const another = await openPage(test, third, test.people.second);
  await vote(test, twin, test.people.approver, { verdict: 'deny' });
  const ballot = { ...form, verdict: 'approve', reason: 'the month is closed' };
  const answer = await test.post(pathOf(request), ballot, { cookie });
  const page = await answer.text();
  expect(answer.status).toBe(409);
  expect(page).toContain('what people denied this agent changed');
  expect(page).toContain('A person denied this agent <code>payroll.export</code> on another request');
  expect(await stateOf(test, request)).toBe('pending');

  const knowing = { ...ballot, ...fieldsOf(page) };
  expect((await test.post(pathOf(request), knowing, { cookie })).status).toBe(303);
  expect(await stateOf(test, request)).toBe('approved');

  const no = { ...another.form, verdict: 'deny', reason: 'no either' };
  expect((await test.post(pathOf(third), no, { cookie: another.cookie })).status).toBe(303);
});
