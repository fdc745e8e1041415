/** The console in a real browser that runs no script. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type OpenedRequest, startConsole, type TestConsole } from '../console/fixture.ts';
import { stateOf, vote } from '../console/voting.ts';
import { launchBrowser, openWatchedPage, type WatchedPage } from '../support/browser.ts';

let test: TestConsole;
let browser: Browser;
let decided: OpenedRequest;
beforeAll(async () => {
  [test, browser] = await Promise.all([startConsole(), launchBrowser()]);
  decided = await test.openRequest({ scopes: ['reports.read'] });
  await vote(test, decided, test.people.second, { reason: 'Checked with finance.' });
});
afterAll(async () => {
  await browser.close();
  await test.stop();
});

const open = async (path: string, who: keyof TestConsole['people']): Promise<WatchedPage> => {
  const cookie = await test.signIn(test.people[who]);
  const watched = await openWatchedPage(browser, { url: test.url, cookie, javaScriptEnabled: false });
  await watched.page.goto(test.url + path);
  return watched;
};

it('decides, finds and signs out', async () => {
  const request = await test.openRequest({ scopes: ['reports.plain'] });
  const { page, complaints, close } = await open('/approvals', 'approver');
  await page.click(`#open-${request.requestId}`);
  await page.fill('#reason', 'by plain form');
  await page.click('button.approve');
  expect(new URL(page.url()).pathname).toBe(`/approvals/${request.requestId}`);
  expect(await page.textContent('.standing')).toContain('You approved');
  expect(await stateOf(test, request)).toBe('approved');
  await page.click('text=See the whole trace');
  expect(await page.locator('.step').count()).toBe(6);
  await page.click('text=Sign out');
  expect(await page.textContent('h1')).toBe('You are signed out');
  expect(complaints).toEqual([]);
  await close();
});

it('finds what somebody decided on a day', async () => {
  const { page, close } = await open('/approvals?show=decided', 'approver');
  await page.click('summary');
  await page.fill('input[name=approver]', 'sam');
  await page.fill('input[name=to]', '2026-01-31');
  await page.click('button:text("Filter")');
  expect(await page.textContent('.empty-title')).toBe('Nothing found');
  await page.fill('input[name=to]', '');
  await page.fill('input[name=from]', new Date().toISOString().slice(0, 10));
  await page.focus('input[name=from]');
  await page.keyboard.press('Enter');
  await page.waitForURL(/from=2/);
  expect(await page.locator(`#open-${decided.requestId}`).count()).toBe(1);
  expect(await page.inputValue('input[name=approver]')).toBe('sam');
  await close();
});

it('filters the trail', async () => {
  const { page, close } = await open('/audit', 'auditor');
  await page.fill('input[name=event]', 'approval.given');
  await page.click('text=Filter');
  expect(new Set(await page.locator('.event-name').allTextContents())).toEqual(new Set(['approval.given']));
  await close();
});
