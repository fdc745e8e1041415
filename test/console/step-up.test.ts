/** Step-up at Entra's stand-in: a rule that asks for a fresh or a stronger sign-in, from the page through Entra and back. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { readBundle } from '../../src/policy/bundle.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import { askingRule, bundleOf } from '../policy/bundles.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { newBrowser } from '../support/plain-browser.ts';
import { checkPromises } from '../support/promises.ts';
import { fieldsOf } from './fixture.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
  const rule = {
    ...askingRule({
      groups: ['release'],
      sign_in_max_age_seconds: 300,
      authentication_context: 'c2',
    }),
    resource: 'api://operations.prod',
    scopes: ['release.deploy'],
    agents: ['ops-agent'],
  };
  const bundle = await bundleOf({ rules: [rule] });
  const note = { reason: 'test', appliedBy: 'test' };
  await activatePolicy(world.database, bundle, (await readBundle(bundle)).revision, note);
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const open = async (request_id: string): Promise<string> => {
  const { body } = await world.exchange({
    subject_token: await world.assertion('ops-agent'),
    audience: 'api://operations.prod',
    scope: 'release.deploy',
    request_id,
  });
  return body.request_id;
};

const stateOf = async (requestId: string): Promise<string | undefined> => {
  const { rows } = await sql<{
    state: string;
  }>`select state from access_requests where id = ${requestId}`.execute(world.database.db);
  return rows[0]?.state;
};

const linkOf = (page: string): string =>
  /<a class="button" href="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';

const post = (browser: ReturnType<typeof newBrowser>, path: string, form: Record<string, string>) =>
  browser.open(path, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { origin: world.issuer, 'sec-fetch-site': 'same-origin' },
  });

it('leads by a link to a sign-in that satisfies the rule, back to the request, and the vote counts (T101)', async () => {
  const requestId = await open('step-up');
  const path = `/approvals/${requestId}`;
  const browser = newBrowser(world);
  await browser.signIn(`/sign-in?return_to=${path}`);
  const page = await (await browser.open(path)).text();
  expect(page).toContain('the authentication context c2 of Microsoft Entra');
  expect(page).not.toContain('name="verdict"');

  const asked = new URL((await browser.open(linkOf(page))).headers.get('location') ?? '').searchParams;
  expect(JSON.parse(asked.get('claims') ?? '{}')).toMatchObject({ id_token: { acrs: { value: 'c2' } } });
  expect(asked.get('prompt')).toBe('login');
  const back = await browser.signIn(linkOf(page));
  expect([back.status, back.headers.get('location')]).toEqual([303, path]);

  const form = fieldsOf(await (await browser.open(path)).text());
  expect((await post(browser, path, { ...form, verdict: 'approve', reason: 'checked' })).status).toBe(303);
  expect(await stateOf(requestId)).toBe('approved');
});

it.each<[string, string]>([
  [
    'whose proof of the person is older than the rule allows',
    `authenticated_at = now() - interval '301 seconds'`,
  ],
  ['of which Entra does not say when it was', 'authenticated_at = null'],
  ['without the context that the rule asks for', `authentication_contexts = '{c1}'`],
])('refuses the vote of a session %s, keeps the reason and leads to sign in (T101)', async (name, change) => {
  const requestId = await open(name.slice(0, 20).replaceAll(' ', '-'));
  const path = `/approvals/${requestId}`;
  const browser = newBrowser(world);
  await browser.signIn(`/sign-in?return_to=${path}&max_age=300&context=c2`);
  const form = fieldsOf(await (await browser.open(path)).text());
  await sql`update console_sessions set ${sql.raw(change)}`.execute(world.database.db);
  const answer = await post(browser, path, { ...form, verdict: 'approve', reason: 'typed for long' });
  const page = await answer.text();
  expect(answer.status).toBe(403);
  expect(page).toContain('typed for long');
  expect(linkOf(page)).toMatch(/^\/sign-in\?return_to=/);
  expect(await stateOf(requestId)).toBe('pending');
  expect(await world.trace(requestId)).toContain('approval.refused');
});

it('asks Entra for nothing that a link makes up', async () => {
  const browser = newBrowser(world);
  const asked = async (query: string) =>
    new URL((await browser.open(`/sign-in?return_to=/${query}`)).headers.get('location') ?? '').searchParams;
  for (const query of [
    '&max_age=-1',
    '&max_age=1e3',
    '&context=admin',
    '&context=c1%22',
    '&context=c1&context=c2',
  ]) {
    const sent = await asked(query);
    expect([sent.has('max_age'), sent.get('claims')?.includes('acrs') ?? false]).toEqual([false, false]);
  }
  expect((await asked('&max_age=300')).get('max_age')).toBe('300');
});
