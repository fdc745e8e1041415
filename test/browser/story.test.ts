/** The stories of the lab, clicked through as a person does, in a real browser on the real broker. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBarriers, findOverflow, launchBrowser } from '../support/browser.ts';
import { type Lab, startLab } from '../support/lab.ts';

const everything = await mkdtemp(join(tmpdir(), 'countersign-screenshots-'));
/** Where the README's pictures go when `SCREENSHOTS=docs` asks for new ones. */
const screenshots = process.env.SCREENSHOTS ?? everything;

let lab: Lab;
let browser: Browser;
let context: BrowserContext;
/** Whatever the browser complains about: script errors, violated content policies. */
const complaints: string[] = [];

const openPage = async (in_: BrowserContext = context): Promise<Page> => {
  const page = await in_.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return page;
};

const openContext = (): Promise<BrowserContext> =>
  browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1200, height: 900 } });

const signIn = async (page: Page, name: string): Promise<void> => {
  const person = lab.world.people.find(({ username }) => username === `${name}@lab.example`);
  await page.locator('input[name=username]').fill(person?.username ?? '');
  await page.locator('input[type=password]').fill(person?.password ?? '');
  await page.locator('button[type=submit]').click();
};

const runStory = async (title: string): Promise<Page> => {
  const page = await openPage();
  await page.goto(lab.world.demo_url);
  await page.locator('article', { hasText: title }).getByRole('button', { name: 'Run it' }).click();
  return page;
};

const eventNames = (page: Page): Promise<string[]> => page.locator('.steps li code').allTextContents();

beforeAll(async () => {
  [lab, browser] = await Promise.all([startLab(), launchBrowser()]);
  context = await openContext();
});
afterAll(async () => {
  await browser.close();
  await lab.stop();
});

describe('in the lab', { timeout: 60_000 }, () => {
  it('the support agent is permitted and the trace ends with the use of its token', async () => {
    const page = await runStory('articles.read');
    await page.getByText('token.used').waitFor();
    expect(await eventNames(page)).toEqual([
      'assertion.verified',
      'agent.mapped',
      'policy.decided',
      'request.opened',
      'grant.opened',
      'token.issued',
      'token.used',
    ]);
  });

  it('the operations agent is denied with the reason of the rule', async () => {
    const page = await runStory('database.delete');
    await page.getByText('Refused: the agent got no token').waitFor();
    await page.getByText('policy.decided').waitFor();
    expect(await eventNames(page)).not.toContain('token.issued');
  });

  it('the reporting agent waits, an owner may not approve, an approver does, and the agent goes on', async () => {
    const page = await runStory('payroll.export');
    const address = await page.getByRole('link', { name: 'Open the approval page' }).getAttribute('href');

    const asOwner = await openContext();
    const ownersPage = await openPage(asOwner);
    await ownersPage.goto(address ?? '');
    await ownersPage.locator('input[name=username]').waitFor();
    expect([...(await findBarriers(ownersPage)), ...(await findOverflow(ownersPage))]).toEqual([]);
    await signIn(ownersPage, 'owner');
    await ownersPage.waitForURL(/approvals/);
    await ownersPage.getByRole('heading', { name: /payroll\.export/ }).waitFor();
    expect(await ownersPage.getByRole('button', { name: /approve/i }).count()).toBe(0);
    await asOwner.close();

    const approval = await openPage();
    await approval.goto(address ?? '');
    await signIn(approval, 'approver');
    await approval.getByRole('button', { name: /^Approve/ }).waitFor();
    await approval.screenshot({ path: join(screenshots, 'approval.png'), fullPage: true });
    await approval.locator('textarea').fill('Month end: checked with the payroll run.');
    await approval.getByRole('button', { name: /^Approve/ }).click();
    await approval.getByText('A decision is never changed afterwards').waitFor();

    await page.getByText('Done: the API did what was asked').waitFor();
    await page.getByText('token.used').waitFor();
    expect(await eventNames(page)).toEqual([
      'assertion.verified',
      'agent.mapped',
      'policy.decided',
      'request.opened',
      'approval.given',
      'grant.opened',
      'assertion.verified',
      'policy.decided',
      'token.issued',
      'token.used',
    ]);

    const asAuditor = await openContext();
    const trace = await openPage(asAuditor);
    await trace.goto((address ?? '').replace('/approvals/', '/requests/'));
    await signIn(trace, 'auditor');
    await trace.getByText('token.used').first().waitFor();
    await trace.screenshot({ path: join(screenshots, 'trace.png'), fullPage: true });
    await asAuditor.close();
  });

  it('the slider chooses how long the agent asks for, and one token takes over from the other', async () => {
    const page = await openPage();
    await page.goto(lab.world.demo_url);
    const card = page.locator('article', { hasText: 'figures.follow' });
    await card.getByLabel(/Asks for/).fill('18');
    await page.screenshot({ path: join(screenshots, 'stories.png'), fullPage: true });
    await card.getByRole('button', { name: 'Run it' }).click();
    await page.locator('.tokens .ROTATED').waitFor();
    await page.screenshot({ path: join(screenshots, 'rotation.png'), fullPage: true });
    await page.getByText('Done: the API did what was asked').waitFor();
    expect(await page.locator('.token-line rect').count()).toBeGreaterThan(1);
  });

  it('a release gets from dev over test to prod as far as a person lets it', async () => {
    const page = await runStory('from dev over test to prod');
    await page.getByText('Waiting for a person').waitFor();
    await page.locator('.steps .bad').getByText('access_denied').waitFor();
    await page.screenshot({ path: join(screenshots, 'release.png'), fullPage: true });
    expect(await page.getByText('answered 201').count()).toBe(2);
  });

  it.each([
    ['desktop', { width: 1200, height: 900 }],
    ['phone', { width: 360, height: 780 }],
  ])('is clean on a %s: the stories, and each of them when it is told', async (_, viewport) => {
    const page = await openPage(context);
    await page.setViewportSize(viewport);
    const told: Record<string, string[]> = {};
    const look = async (name: string): Promise<void> => {
      told[name] = [...(await findBarriers(page)), ...(await findOverflow(page))];
      await page.screenshot({ path: join(everything, `${name}-${viewport.width}.png`), fullPage: true });
    };
    await page.goto(lab.world.demo_url);
    await look('stories');
    const titles = await page.locator('article:has(form) h2').allTextContents();
    expect(titles).toHaveLength(lab.world.scenarios.length);
    for (const { name } of lab.world.scenarios) {
      await page.goto(lab.world.demo_url);
      await page.locator(`form[action="/stories/${name}"] button`).click();
      await page.locator('.steps .good, .steps .bad, .your-turn').first().waitFor();
      await look(name);
    }
    expect(Object.values(told).flat()).toEqual([]);
    await page.close();
  });

  it('nothing on any page made the browser complain', () => {
    expect(complaints).toEqual([]);
  });
});
