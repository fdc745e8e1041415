/** Votes when policy or registry moved after the request was opened, or cannot be told. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ApprovalTerms } from '../../src/policy/decision.ts';
import { PolicyUnavailable } from '../../src/policy/engine.ts';
import { APPROVAL } from '../support/access.ts';
import { checkPromises } from '../support/promises.ts';
import { startConsole, type TestConsole } from './fixture.ts';
import { PERMITTED_NOW } from './requests-fixture.ts';
import { openPage, pathOf, stateOf, vote } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
beforeEach(() => {
  test.policy.decide = () => Promise.resolve(PERMITTED_NOW);
  test.policy.catchUp = () => Promise.resolve();
});
afterEach(() => checkPromises(test.database));
afterAll(() => test.stop());

const nowAsks = (approval: Partial<ApprovalTerms>): void => {
  test.policy.decide = () =>
    Promise.resolve({ ...PERMITTED_NOW, decision: 'needs_approval', approval: { ...APPROVAL, ...approval } });
};

it('count on the page only for groups that the rule still names', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const { form, cookie } = await openPage(test, request, test.people.approver);
  nowAsks({ groups: ['security'] });
  const answer = await test.post(
    pathOf(request),
    { ...form, verdict: 'approve', reason: 'as before' },
    { cookie },
  );
  expect(answer.status).toBe(409);
  const page = await answer.text();
  expect(page).toContain('no longer lets a group of yours decide');
  expect(page).not.toContain('name="verdict"');
  expect(await stateOf(test, request)).toBe('pending');
});

it('are asked for by the page as the rule says by now, where that is more', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'], groups: ['payroll', 'release'] });
  nowAsks({ groups: ['payroll', 'release'], quorum: 2, requiredGroups: ['release'] });
  const cookie = await test.signIn(test.people.approver);
  const page = await (await test.get(pathOf(request), { cookie })).text();
  expect(page).toContain('2 different people must approve, among them one each of release; 0 did so far');
});

it('approve nothing that policy denies by now, but may deny it', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  test.policy.decide = () => Promise.resolve({ ...PERMITTED_NOW, decision: 'deny' });
  const answer = await vote(test, request, test.people.approver);
  expect([answer.status, await answer.text()]).toEqual([409, expect.stringContaining('denies this now')]);
  expect((await vote(test, request, test.people.approver, { verdict: 'deny' })).status).toBe(303);
  expect(await stateOf(test, request)).toBe('denied');
});

it('are prepared again when a revision moved, and count then', async () => {
  const request = await test.openRequest({ scopes: ['services.restart'] });
  let caughtUp = 0;
  test.policy.decide = () =>
    Promise.resolve({
      ...PERMITTED_NOW,
      bundleRevision: caughtUp === 0 ? 'bundle-0' : PERMITTED_NOW.bundleRevision,
    });
  test.policy.catchUp = async () => {
    caughtUp += 1;
  };
  expect((await vote(test, request, test.people.approver)).status).toBe(303);
  expect(caughtUp).toBe(1);
  expect(await stateOf(test, request)).toBe('approved');
});

it.each<[string, () => void]>([
  [
    'the revisions in force',
    () => {
      test.policy.decide = () => Promise.resolve({ ...PERMITTED_NOW, bundleRevision: 'bundle-0' });
      test.policy.catchUp = () => Promise.reject(new Error('connection refused'));
    },
  ],
  [
    'policy',
    () => {
      test.policy.decide = () => Promise.reject(new PolicyUnavailable('no policy is loaded'));
    },
  ],
])('are 503 and change nothing when %s cannot be had (T95)', async (_name, fail) => {
  const request = await test.openRequest({ scopes: ['services.restart'] });
  const { form, cookie } = await openPage(test, request, test.people.approver);
  fail();
  const answer = await test.post(
    pathOf(request),
    { ...form, verdict: 'approve', reason: 'kept words' },
    { cookie },
  );
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain('kept words');
  expect(await stateOf(test, request)).toBe('pending');
});
