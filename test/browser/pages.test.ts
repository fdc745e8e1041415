/**
 * The console's pages in a real browser: nothing that the content security policy reports, nothing that axe finds,
 * nothing wider than a phone; by keyboard alone. Screenshots are left in the temporary folder.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendEvents } from '../../src/audit/append.ts';
import { newRequestId } from '../../src/ids.ts';
import { type OpenedRequest, startConsole, type TestConsole } from '../console/fixture.ts';
import { stateOf, vote } from '../console/voting.ts';
import {
  findFlaws,
  LOOKS,
  launchBrowser,
  openWatchedPage,
  tabTo,
  type WatchedPage,
} from '../support/browser.ts';

const SHOTS = await mkdtemp(join(tmpdir(), 'countersign-pages-'));

const WORDS =
  'Finance asked me to export January.\n\nAll approved already ✔ \u202Eevorppa\u202C <b>Approve</b>\u200B\u200B';

let test: TestConsole;
let browser: Browser;
let payroll: OpenedRequest;
let release: OpenedRequest;
let decided: OpenedRequest;
let denied: OpenedRequest;
const refused = newRequestId();
beforeAll(async () => {
  [test, browser] = await Promise.all([startConsole(), launchBrowser()]);
  payroll = await test.openRequest({
    justification: WORDS,
    details: [{ type: 'payroll', month: '2026-01' }],
  });
  release = await test.openRequest({
    agent: 'ops-agent',
    audience: 'api://operations.prod',
    scopes: ['release.deploy', 'services.restart'],
    groups: ['release'],
    quorum: 2,
    proofKey: 'k'.repeat(43),
  });
  await vote(test, release, test.people.second, { reason: 'Planned for tonight.' });
  decided = await test.openRequest({ scopes: ['reports.read'] });
  await vote(test, decided, test.people.second, { reason: 'Checked with finance.' });
  denied = await test.openRequest({ scopes: ['reports.denied'] });
  await appendEvents(test.database.db, [
    {
      name: 'policy.decided',
      requestId: refused,
      agentId: 'reporting-agent',
      data: {
        decision: 'deny',
        reason: 'denied_by_policy',
        audience: 'api://reports.prod',
        scopes: ['payroll.export'],
      },
    },
  ]);
  await vote(test, denied, test.people.second, { verdict: 'deny', reason: 'Not before the audit.' });
});
afterAll(async () => {
  await browser.close();
  await test.stop();
});

type Who = keyof TestConsole['people'];

/** Opens a page as somebody who is signed in, or as a stranger. */
const open = async (
  path: string,
  options: BrowserContextOptions & { readonly who?: Who } = {},
): Promise<WatchedPage> => {
  const { who, ...context } = options;
  const cookie = who === undefined ? {} : { cookie: await test.signIn(test.people[who]) };
  const watched = await openWatchedPage(browser, { url: test.url, ...cookie, ...context });
  await watched.page.goto(test.url + path);
  return watched;
};

const PAGES: readonly (readonly [string, () => string, Who | undefined])[] = [
  ['queue', () => '/approvals', 'approver'],
  ['queue-empty', () => '/approvals', 'knowledge'],
  ['decided', () => '/approvals?show=decided', 'approver'],
  ['decided-filtered', () => '/approvals?show=decided&approver=sam&from=2026-01-01', 'approver'],
  ['decided-problem', () => '/approvals?show=decided&from=yesterday', 'approver'],
  ['request', () => `/approvals/${payroll.requestId}`, 'approver'],
  ['request-quorum', () => `/approvals/${release.requestId}`, 'approver'],
  ['request-decided', () => `/approvals/${decided.requestId}`, 'approver'],
  ['request-denied', () => `/approvals/${denied.requestId}`, 'approver'],
  ['request-owner', () => `/approvals/${payroll.requestId}`, 'owner'],
  ['trace', () => `/requests/${decided.requestId}`, 'auditor'],
  ['trace-refused', () => `/requests/${refused}`, 'auditor'],
  ['trace-denied', () => `/requests/${denied.requestId}`, 'approver'],
  ['audit', () => '/audit', 'auditor'],
  ['audit-problem', () => '/audit?from=yesterday', 'auditor'],
  ['not-found', () => '/approvals/areq_unknown', 'approver'],
  ['role-missing', () => '/approvals', 'visitor'],
  ['sign-in', () => '/sign-in', undefined],
  ['sign-in-unavailable', () => '/sign-in?return_to=/', undefined],
  ['sign-in-failed', () => '/sign-in/callback?error=access_denied', undefined],
  ['signed-out', () => '/signed-out', undefined],
];

describe.each(Object.entries(LOOKS))('in %s', (look, options) => {
  it.each(PAGES)('%s is clean', async (name, path, who) => {
    const { page, complaints, close } = await open(path(), { ...options, ...(who && { who }) });
    await page.screenshot({ path: join(SHOTS, `${name}-${look}.png`), fullPage: true });
    const refusals = /Failed to load resource: the server responded with a status of [45]/;
    expect(complaints.filter((complaint) => !refusals.test(complaint))).toEqual([]);
    expect(await findFlaws(page)).toEqual([]);
    await close();
  });
});

describe('with script', () => {
  it('keeps the queue up to date, asks conditionally, and stores nothing', async () => {
    const { page, complaints, close } = await open('/approvals', { who: 'approver' });
    const answers: number[] = [];
    page.on('response', (response) => answers.push(response.status()));
    await expect.poll(() => answers, { timeout: 15_000 }).toContain(304);
    const before = await page.locator('.row').count();
    const late = await test.openRequest({ scopes: ['reports.late'] });
    await page.locator(`#open-${late.requestId}`).waitFor({ timeout: 15_000 });
    expect(await page.locator('.row').count()).toBe(before + 1);
    expect(complaints).toEqual([]);
    await close();
  });

  it('shows a decision of somebody else while a reason is being typed, and leaves the typing alone', async () => {
    const request = await test.openRequest({ scopes: ['reports.typed'] });
    const { page, complaints, close } = await open(`/approvals/${request.requestId}`, { who: 'approver' });
    await page.fill('#reason', 'half a sent');
    await vote(test, request, test.people.second);
    await page.locator('.standing-approved').waitFor({ timeout: 15_000 });
    expect(await page.inputValue('#reason')).toBe('half a sent');
    await page.click('button.deny');
    await page.waitForLoadState();
    expect(await page.textContent('.notice')).toContain('already decided');
    expect(await page.inputValue('textarea[readonly]')).toBe('half a sent');
    expect(complaints.filter((complaint) => !complaint.includes('409'))).toEqual([]);
    await close();
  });

  it('shows new events of a trace as they come, and leaves open what was opened', async () => {
    const request = await test.openRequest({ scopes: ['reports.traced'] });
    const { page, complaints, close } = await open(`/requests/${request.requestId}`, { who: 'auditor' });
    await page.locator('summary').first().click();
    await vote(test, request, test.people.approver, { verdict: 'deny' });
    await page.getByText('denial.given').waitFor({ timeout: 15_000 });
    expect(await page.locator('details').first().getAttribute('open')).not.toBeNull();
    expect(complaints).toEqual([]);
    await close();
  });

  it('says on an open page that the session has ended, and keeps what was typed', async () => {
    const request = await test.openRequest({ scopes: ['reports.ended'] });
    const { page, close } = await open(`/approvals/${request.requestId}`, { who: 'approver' });
    await page.fill('#reason', 'typed before');
    await sql`delete from console_sessions`.execute(test.database.db);
    await page.getByText('Your session has ended').waitFor({ timeout: 15_000 });
    expect(await page.inputValue('#reason')).toBe('typed before');
    await close();
  });

  it('lets no word of an agent act: no dialog, no request, no element, no report', async () => {
    const hostile = [
      '<img src=x onerror=alert(1)><script>alert(2)</script>',
      '<div hx-get="/sign-out" hx-trigger="load" hx-on:load="alert(3)">',
      '<hx-partial hx-target="body">gone</hx-partial><svg/onload=alert(4)>',
      'javascript:alert(5) {{7*7}} data-hx-get="/x"',
    ].join('\n');
    const request = await test.openRequest({ scopes: ['reports.hostile'], justification: hostile });
    await vote(test, request, test.people.second, { verdict: 'deny', reason: hostile });
    for (const path of [`/approvals/${request.requestId}`, `/requests/${request.requestId}`]) {
      const { page, complaints, close } = await open(path, { who: 'owner' });
      const asked: string[] = [];
      page.on('request', (sent) => asked.push(new URL(sent.url()).pathname));
      await expect.poll(() => asked.length, { timeout: 15_000 }).toBeGreaterThan(1);
      expect(new Set(asked)).toEqual(new Set([path]));
      expect(await page.locator('main :is(script, img, template, [hx-on\\:load])').count()).toBe(0);
      expect(await page.locator('main [hx-get]').count()).toBe(1);
      expect(complaints).toEqual([]);
      await close();
    }
  });
});

describe('by keyboard alone', () => {
  it('reaches the content, a request, the form and the decision, with the focus always in sight', async () => {
    const request = await test.openRequest({ scopes: ['reports.keys'], approval: { pendingSeconds: 60 } });
    const { page, close } = await open('/approvals', { who: 'approver' });
    await tabTo(page, 'Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
    await tabTo(page, `open-${request.requestId}`);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/approvals/${request.requestId}`);
    await tabTo(page, 'reason');
    await page.keyboard.type('typed without a mouse');
    await tabTo(page, 'Approve for up to 30 minutes');
    await page.keyboard.press('Enter');
    await page.locator('.standing-approved').waitFor();
    expect(await stateOf(test, request)).toBe('approved');
    await close();
  });
});
