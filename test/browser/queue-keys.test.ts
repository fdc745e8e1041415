/** The keys of the queue, as its page tells them, in a real browser. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startConsole, type TestConsole } from '../console/fixture.ts';
import { launchBrowser, openWatchedPage } from '../support/browser.ts';

let test: TestConsole;
let browser: Browser;
let ids: string[];
beforeAll(async () => {
  [test, browser] = await Promise.all([startConsole(), launchBrowser()]);
  const scopes = ['reports.a', 'reports.b', 'reports.c'];
  ids = [];
  for (const scope of scopes) ids.push((await test.openRequest({ scopes: [scope] })).requestId);
});
afterAll(async () => {
  await browser.close();
  await test.stop();
});

const open = async () => {
  const watched = await openWatchedPage(browser, {
    url: test.url,
    cookie: await test.signIn(test.people.approver),
  });
  await watched.page.goto(`${test.url}/approvals`);
  return watched;
};
const focused = (page: Page): Promise<string> => page.evaluate(() => document.activeElement?.id ?? '');
const press = async (page: Page, ...keys: string[]): Promise<string> => {
  for (const key of keys) await page.keyboard.press(key);
  return focused(page);
};

it('j and k move, and stop at the ends; a opens at the reason', async () => {
  const { page, complaints, close } = await open();
  expect(await press(page, 'j')).toBe(`open-${ids[0]}`);
  expect(await press(page, 'k')).toBe(`open-${ids[0]}`);
  expect(await press(page, 'j', 'j', 'j')).toBe(`open-${ids[2]}`);
  expect(await press(page, 'k')).toBe(`open-${ids[1]}`);
  await page.keyboard.press('a');
  await page.waitForURL(`**/approvals/${ids[1]}#reason`);
  await expect.poll(() => focused(page)).toBe('reason');
  await page.keyboard.type('jako');
  expect(await page.inputValue('#reason')).toBe('jako');
  expect(complaints).toEqual([]);
  await close();
});

it('o opens; keys that are typed into a field, or switched off, do nothing', async () => {
  const { page, close } = await open();
  await page.click('summary');
  await page.focus('input[name=agent]');
  await page.keyboard.type('jo');
  expect(await page.inputValue('input[name=agent]')).toBe('jo');
  await page.uncheck('#keys');
  expect(await press(page, 'j')).toBe('keys');
  await page.check('#keys');
  await press(page, 'j');
  await page.keyboard.press('o');
  await page.waitForURL(`**/approvals/${ids[0]}`);
  await close();
});
