/**
 * A real browser out of npm: Chromium of @sparticuz/chromium, with the libraries and fonts it brings, driven by
 * playwright-core. Nothing has to be installed. It is unpacked once, under node_modules/.cache, by whoever comes first.
 */

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { inflate } from '@sparticuz/chromium';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const require = createRequire(import.meta.url);
const PACKAGE = resolve(dirname(require.resolve('@sparticuz/chromium')), '..');
const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { version: string };
const CACHE = resolve(PACKAGE, '../../.cache');
const UNPACKED = join(CACHE, `countersign-chromium-${version}`);

/** The browser itself, shared libraries that a bare machine lacks, and fonts. */
const ARCHIVES = ['chromium.br', 'al2023.tar.br', 'fonts.tar.br'];

/** The fonts that came along, and those of the system where there are any. */
const fontsConfiguration = (folder: string): string => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(folder, 'fonts')}</dir>
  <dir>/usr/share/fonts</dir>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
  <cachedir>${join(folder, 'fonts-cache')}</cachedir>
</fontconfig>
`;

/** The package unpacks into the temporary folder; for that time it is a folder of ours. */
const unpackInto = async (folder: string): Promise<void> => {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  try {
    for (const archive of ARCHIVES) await inflate(join(PACKAGE, 'bin', archive));
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
};

/** Unpacked aside and renamed, so that nobody starts half a browser. */
const unpack = async (): Promise<void> => {
  if (existsSync(UNPACKED)) return;
  await mkdir(CACHE, { recursive: true });
  const aside = await mkdtemp(join(CACHE, 'chromium-'));
  await unpackInto(aside);
  await writeFile(join(aside, 'fonts.conf'), fontsConfiguration(UNPACKED));
  try {
    await rename(aside, UNPACKED);
  } catch (error) {
    await rm(aside, { recursive: true });
    if (!existsSync(UNPACKED)) throw error;
  }
};

/** Starts the browser; close it in the end. */
export const launchBrowser = async (): Promise<Browser> => {
  await unpack();
  const libraries = join(UNPACKED, 'al2023/lib');
  return chromium.launch({
    executablePath: join(UNPACKED, 'chromium'),
    // Chromium refuses its sandbox to root, as which containers and CI often run.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    env: {
      ...(process.env as Record<string, string>),
      LD_LIBRARY_PATH: [libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
      FONTCONFIG_FILE: join(UNPACKED, 'fonts.conf'),
    },
  });
};

/** A page, and everything it complained about: policy violations, console errors, dialogs, failed or foreign requests. */
export type WatchedPage = {
  readonly page: Page;
  readonly complaints: string[];
  readonly close: () => Promise<void>;
};

/** Opens a page in a profile of its own. `cookie` is a Cookie header's one pair, for `url`'s host. */
export const openWatchedPage = async (
  browser: Browser,
  options: BrowserContextOptions & { readonly url: string; readonly cookie?: string },
): Promise<WatchedPage> => {
  const { url, cookie, ...contextOptions } = options;
  const context = await browser.newContext(contextOptions);
  if (cookie !== undefined) {
    const [name = '', value = ''] = cookie.split('=');
    await context.addCookies([{ name, value, url, httpOnly: true, sameSite: 'Lax' }]);
  }
  const complaints: string[] = [];
  const page = await context.newPage();
  await page.exposeFunction('reportViolation', (text: string) => complaints.push(`policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      const { reportViolation } = window as unknown as { reportViolation: (text: string) => void };
      reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(`foreign request: ${request.url()}`);
  });
  return { page, complaints, close: () => context.close() };
};

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds on the page at WCAG 2.2 A and AA, a line each. */
export const findBarriers = async (page: Page): Promise<string[]> => {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run: (options: object) => Promise<{
          violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[];
        }>;
      };
    };
    const { violations } = await axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html} ${failureSummary}`),
    );
  });
};

/** Whether the page is wider than its window, and by which element. */
export const findOverflow = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    document.documentElement.scrollWidth <= window.innerWidth
      ? []
      : [...document.querySelectorAll('body *')]
          .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1)
          .map((element) => element.outerHTML.slice(0, 120)),
  );

/** How a page is looked at. */
export const LOOKS = {
  light: { viewport: { width: 1200, height: 900 } },
  dark: { viewport: { width: 1200, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 360, height: 780 } },
} as const satisfies Record<string, BrowserContextOptions>;

/** Overflow of the page as it stands, and with everything opened that it folds away; barriers of all of it. */
export const findFlaws = async (page: Page): Promise<string[]> => {
  const folded = await findOverflow(page);
  await page.evaluate(() => {
    for (const each of document.querySelectorAll('details')) each.open = true;
  });
  return [...folded, ...(await findBarriers(page)), ...(await findOverflow(page))];
};

const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const { outlineStyle, boxShadow } = getComputedStyle(element ?? document.body);
    return {
      names: [element?.id, element?.getAttribute('name'), element?.textContent?.trim()],
      visible: outlineStyle !== 'none' || boxShadow !== 'none',
    };
  });

/** Presses Tab until what has this id or name, or begins with this text, has the focus. Throws if that is ever out of sight. */
export const tabTo = async (page: Page, name: string): Promise<void> => {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    const now = await focused(page);
    if (!now.visible) throw new Error(`on the way to ${name} the focus cannot be seen`);
    if (now.names.some((each) => each?.startsWith(name))) return;
  }
  throw new Error(`${name} was not reached`);
};
