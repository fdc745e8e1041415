import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { extract, type Header, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { buildBundle } from '../../src/policy/build-bundle.ts';
import { BundleRefused, readBundle } from '../../src/policy/bundle.ts';
import { BUNDLE_MAX_BYTES } from '../../src/policy/bundle-archive.ts';
import { bundleOf, permitRule, policyFile, shippedBundle } from './bundles.ts';

type Entry = Partial<Header> & { readonly name: string; readonly content: string | Uint8Array };

const archiveOf = async (entries: readonly Entry[]): Promise<Buffer> => {
  const tar = pack();
  for (const { content, ...header } of entries) tar.entry(header, content);
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar) chunks.push(chunk as Uint8Array);
  return gzipSync(Buffer.concat(chunks));
};

/** The entries of the shipped bundle, to be packed again with something changed. */
const shippedEntries = async (): Promise<Entry[]> => {
  const entries: Entry[] = [];
  const tar = extract();
  tar.end(gunzipSync(shippedBundle()));
  for await (const entry of tar) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry) chunks.push(chunk as Uint8Array);
    entries.push({ name: entry.header.name, content: Buffer.concat(chunks) });
  }
  return entries;
};

const sources = () => ({
  rules: { name: 'rules.yaml', text: policyFile('rules.yaml').toString() },
  cases: { name: 'cases.yaml', text: policyFile('cases.yaml').toString() },
});

describe('the bundle of this package', () => {
  it('is what its files give, byte for byte, without a compiler', async () => {
    const rebuilt = await buildBundle(await readBundle(shippedBundle()), sources());
    expect(Buffer.from(rebuilt).equals(shippedBundle())).toBe(true);
  });

  it('has the revision that sha256sum prints for its content', async () => {
    const lines = (await shippedEntries())
      .map(({ name, content }) => ({ name: name.replace('/', ''), content }))
      .filter(({ name }) => name !== '.manifest')
      .map(({ name, content }) => `${createHash('sha256').update(content).digest('hex')}  ${name}\n`);
    const { revision } = await readBundle(shippedBundle());
    expect(revision).toBe(createHash('sha256').update(lines.sort(byName).join('')).digest('hex'));
  });

  const byName = (left: string, right: string): number => (left.slice(66) < right.slice(66) ? -1 : 1);

  it('is of another revision as soon as a rule, a case or the module is another', async () => {
    const revisions = await Promise.all(
      [
        await bundleOf(),
        await bundleOf({ rules: [permitRule({ token_seconds: 39 })] }),
        await bundleOf({ compilation: { rego: '0'.repeat(64), opa: '0' } }),
        await bundleOf({ wasm: Buffer.from('other') }),
      ].map(async (bytes) => (await readBundle(bytes)).revision),
    );
    expect(new Set(revisions).size).toBe(4);
  });
});

describe('a bundle', () => {
  it('is refused if it is cut off anywhere', async () => {
    const whole = shippedBundle();
    for (let length = 0; length < whole.length; length += 4096) {
      await expect(readBundle(whole.subarray(0, length)), `${length}`).rejects.toBeInstanceOf(BundleRefused);
    }
    await expect(readBundle(whole.subarray(0, -1))).rejects.toBeInstanceOf(BundleRefused);
  });

  it('is refused if its tar is cut off at a file', async () => {
    for (const missing of ['cases.json', 'compilation.json', 'data.json', 'policy.wasm', '.manifest']) {
      const rest = (await shippedEntries()).filter(({ name }) => name !== `/${missing}`);
      await expect(readBundle(await archiveOf(rest))).rejects.toThrow(`${missing} is missing`);
    }
  });

  it('is refused if its content is not that of its revision', async () => {
    const entries = (await shippedEntries()).map((entry) =>
      entry.name === '/data.json' ? { ...entry, content: '{"rules":{}}' } : entry,
    );
    await expect(readBundle(await archiveOf(entries))).rejects.toThrow('its content is of revision');
  });

  it.each<[string, Partial<Entry>]>([
    ['a file above its folder', { name: '../data.json' }],
    ['a file in a folder', { name: '/etc/passwd' }],
    ['a file twice', { name: 'data.json' }],
    ['a link', { name: 'link', type: 'symlink', linkname: '/etc/passwd', content: '' }],
    ['a folder', { name: 'folder', type: 'directory', content: '' }],
    ['a name out of the alphabet', { name: 'd\u0430ta.json' }],
  ])('is refused if it holds %s', async (_name, entry) => {
    const entries = [...(await shippedEntries()), { name: '', content: '{}', ...entry }];
    await expect(readBundle(await archiveOf(entries))).rejects.toBeInstanceOf(BundleRefused);
  });

  it('is refused if it holds a rule that no build writes', async () => {
    const { table } = await readBundle(await bundleOf());
    const written = table.rules['api://thing.prod']?.read?.read;
    expect(written).toBeDefined();
    for (const change of [
      { approval: undefined },
      { surprise: true },
      { decision: 'allow' },
      { max_tokens: 0 },
    ]) {
      const rules = { 'api://thing.prod': { read: { read: { ...written, ...change } } } };
      const bytes = await bundleOf({ table: { rules } as typeof table });
      await expect(readBundle(bytes)).rejects.toThrow('data.json is not as it must be');
    }
  });

  it('is refused if it is too large, packed or unpacked', async () => {
    await expect(readBundle(Buffer.alloc(BUNDLE_MAX_BYTES + 1))).rejects.toThrow('larger than');
    const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(BUNDLE_MAX_BYTES);
    await expect(readBundle(bomb)).rejects.toThrow('cannot be unpacked');
  });
});
