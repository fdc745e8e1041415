/** "Why was my agent refused at 10:15?", answered in a real browser. Screenshots are left in the temporary folder. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../src/audit/event.ts';
import { openRefusals } from '../../src/audit/refusals.ts';
import { newRequestId } from '../../src/ids.ts';
import { startConsole, type TestConsole } from '../console/fixture.ts';
import { findFlaws, LOOKS, launchBrowser, openWatchedPage, type WatchedPage } from '../support/browser.ts';

const SHOTS = await mkdtemp(join(tmpdir(), 'countersign-refusals-'));

const refused = (reason: string, agentId: string, facts: AuditEvent['data'] = {}): AuditEvent => ({
  name: 'request.refused',
  requestId: newRequestId(),
  agentId,
  data: { reason, ...facts },
});

const WRITE = { audience: 'api://knowledge.prod', scopes: ['articles.write'] };

let test: TestConsole;
let browser: Browser;
beforeAll(async () => {
  [test, browser] = await Promise.all([startConsole(), launchBrowser()]);
  const { database } = test;
  const refusals = openRefusals(database, pino({ level: 'silent' }), {
    limits: { ofAgent: 3, ofNetwork: 3, ofStrangers: 20 },
  });
  await refusals.tell('disabled', [refused('agent_disabled', 'ops-agent')]);
  for (let index = 0; index < 18; index += 1)
    await refusals.tell('write', [refused('scope_unknown', 'support-agent', WRITE)]);
  for (let index = 0; index < 30; index += 1) {
    const network = '203.0.113.0/24';
    await refusals.tell(`forged ${index}`, [
      { name: 'assertion.rejected', data: { reason: 'signature', network } },
    ]);
  }
  await refusals.tell('stranger', [
    {
      name: 'agent.rejected',
      data: {
        reason: 'unknown_workload',
        tenant: test.people.auditor.tenant,
        object: test.people.visitor.object,
        network: '2001:db8:0:7::/64',
      },
    },
  ]);
  await refusals.stop();
});
afterAll(async () => {
  await browser.close();
  await test.stop();
});

const open = async (
  path: string,
  options: BrowserContextOptions = {},
  who: keyof TestConsole['people'] = 'auditor',
): Promise<WatchedPage> => {
  const cookie = await test.signIn(test.people[who]);
  const watched = await openWatchedPage(browser, { url: test.url, cookie, ...options });
  await watched.page.goto(test.url + path);
  return watched;
};

const PAGES = [
  ['refusals', '/audit?reason=any'],
  ['one-reason', '/audit?reason=scope_unknown'],
  ['no-reason', '/audit?reason=because'],
  ['reasons', '/reasons#scope_unknown'],
] as const;

describe.each(Object.entries(LOOKS))('in %s', (look, options) => {
  it.each(PAGES)('%s is clean', async (name, path) => {
    const { page, complaints, close } = await open(path, options);
    await page.screenshot({ path: join(SHOTS, `${name}-${look}.png`), fullPage: name !== 'reasons' });
    const refusals = /Failed to load resource: the server responded with a status of 4/;
    expect(complaints.filter((complaint) => !refusals.test(complaint))).toEqual([]);
    expect(await findFlaws(page)).toEqual([]);
    await close();
  });
});

it.each([true, false])(
  'answers why an agent was refused since a time of today (script: %s)',
  async (javaScriptEnabled) => {
    const { page, close } = await open('/audit', { javaScriptEnabled });
    await page.click('text=Refusals');
    await page.fill('input[name=agent]', 'support-agent');
    await page.fill('input[name=from]', '00:00');
    await page.click('button:text("Filter")');
    const entries = page.locator('.entry');
    expect(await entries.count()).toBe(2);
    const latest = (await entries.first().textContent()) ?? '';
    expect(latest).toContain('17 times more');
    expect(latest).toContain('beyond what the agent’s entry allows');
    expect(latest).toContain('The caller saw 400 invalid_scope.');
    await entries.first().locator('.why-code').click();
    expect(new URL(page.url()).hash).toBe('#scope_unknown');
    await page.locator('#scope_unknown a').click();
    expect(await page.locator('.entry').count()).toBe(2);
    expect(await page.inputValue('select[name=reason]')).toBe('scope_unknown');
    await close();
  },
);

it('says of a flood where it comes from, why it was refused, how often and when', async () => {
  const { page, close } = await open('/audit?reason=signature&event=assertion.rejected');
  const flood = (await page.locator('.entry').first().textContent()) ?? '';
  expect(flood).toContain('203.0.113.0/24');
  expect(flood).toContain('26 times more from');
  expect(flood).toContain('each time something else, for the same reason');
  expect(flood).toContain('The signature is not the issuer’s.');
  await close();
});

it('explains reasons to approvers too, without a way into the trail', async () => {
  const { page, close } = await open('/reasons', {}, 'approver');
  expect(await page.locator('#scope_unknown').count()).toBe(1);
  expect(await page.locator('a[href^="/audit"]').count()).toBe(0);
  await close();
});
