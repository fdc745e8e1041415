/**
 * Styles and scripts, ours and those of npm packages, served from this origin under a name that holds the digest of
 * the content: cached for good, and never from a CDN.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire, findPackageJSON } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** The project's folder: `src/` and `dist/src/` are under the same package.json. */
const projectFolder = (): string => {
  const found = findPackageJSON('..', import.meta.url);
  if (found === undefined) throw new Error('the package.json of this program is missing');
  return path.dirname(found);
};

const ownFile = (name: string): string => path.join(projectFolder(), 'assets', name);

/** In the order in which a page loads them: htmx before its extensions, Pico before our own rules. */
const SCRIPTS = [
  'htmx.org/dist/htmx.min.js',
  'htmx.org/dist/ext/hx-csp.min.js',
  'htmx.org/dist/ext/hx-ptag.min.js',
] as const;
/** Ours, after those. */
const OWN_SCRIPTS = ['keys.js'] as const;
const STYLES = ['@picocss/pico/css/pico.min.css'] as const;
const OWN_STYLES = [
  'scheme.css',
  'frame.css',
  'parts.css',
  'queue.css',
  'request.css',
  'trail.css',
  'tokens.css',
  'reasons.css',
] as const;
const ICON = 'icon.svg';

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export type Asset = { readonly type: string; readonly content: Buffer };

export type Assets = {
  readonly scripts: readonly string[];
  readonly styles: readonly string[];
  readonly icon: string;
  /** By the name in `/assets/{name}`. */
  readonly find: (name: string) => Asset | undefined;
};

/** Digits of the digest in a name: enough that two versions never share one. */
const DIGEST_LENGTH = 16;

/** Reads every file once. Throws if one is missing. */
export const loadAssets = (): Assets => {
  const assets = new Map<string, Asset>();
  const add = (file: string): string => {
    const content = readFileSync(file);
    const { name, ext } = path.parse(file);
    const digest = createHash('sha256').update(content).digest('hex').slice(0, DIGEST_LENGTH);
    const published = `${name}.${digest}${ext}`;
    assets.set(published, { type: TYPES[ext] ?? 'application/octet-stream', content });
    return `/assets/${published}`;
  };
  return {
    scripts: [...SCRIPTS.map((file) => require.resolve(file)), ...OWN_SCRIPTS.map(ownFile)].map(add),
    styles: [...STYLES.map((file) => require.resolve(file)), ...OWN_STYLES.map(ownFile)].map(add),
    icon: add(ownFile(ICON)),
    find: (name) => assets.get(name),
  };
};
