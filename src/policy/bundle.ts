/**
 * A policy bundle: OPA's own format (`policy.wasm`, `data.json`, `.manifest`) and the cases it must pass. Its
 * revision is the digest of its content, so that a bundle cannot claim to be another and the name in a decision
 * says exactly what decided. It is what these commands print, too:
 * `sha256sum cases.json compilation.json data.json policy.wasm | sha256sum`.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../canonical-json.ts';
import { ArchiveRefused, type BundleFiles, readArchive, writeArchive } from './bundle-archive.ts';
import { type CasesDocument, casesDocument, type PolicyCase } from './cases.ts';
import { type RuleTable, ruleTable } from './rule-table.ts';

/** What may be asked of a bundle's module. Constants: no request ever names one. */
export const ENTRYPOINTS = {
  decision: 'countersign/decision',
  explanation: 'countersign/explanation',
} as const;
export type Entrypoint = (typeof ENTRYPOINTS)[keyof typeof ENTRYPOINTS];

/** What the module was compiled from; tells a stale module from its sources. */
const compilation = z.strictObject({
  /** Digest of the Rego sources, SHA-256 hex. */
  rego: z.string().regex(/^[0-9a-f]{64}$/),
  /** Version of the compiler. */
  opa: z.string().max(64),
});
export type Compilation = z.infer<typeof compilation>;

/** Reads what a compilation noted of itself. Throws `BundleRefused`. */
export const parseCompilation = (text: string): Compilation =>
  readJson(new Map([['compilation.json', Buffer.from(text)]]), 'compilation.json', compilation);

const manifest = z.object({ revision: z.string().regex(/^[0-9a-f]{64}$/) });

export type PolicyBundle = {
  /** SHA-256 hex of the content. */
  readonly revision: string;
  /** The compiled Rego. */
  readonly wasm: Uint8Array;
  /** `data.json`, as bytes and read. */
  readonly data: Uint8Array;
  readonly table: RuleTable;
  readonly cases: readonly PolicyCase[];
  readonly compilation: Compilation;
};

/** The bytes are not a bundle that could be put in force; the message says why, for an operator. */
export class BundleRefused extends Error {
  constructor(message: string) {
    super(`The policy bundle is refused: ${message}`);
    this.name = 'BundleRefused';
  }
}

const CONTENT = ['cases.json', 'compilation.json', 'data.json', 'policy.wasm'] as const;

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

const revisionOf = (files: BundleFiles): string =>
  sha256(CONTENT.map((name) => `${sha256(content(files, name))}  ${name}\n`).join(''));

const content = (files: BundleFiles, name: string): Uint8Array => {
  const found = files.get(name);
  if (found === undefined) throw new BundleRefused(`${name} is missing`);
  return found;
};

const readJson = <Schema extends z.ZodType>(
  files: BundleFiles,
  name: string,
  schema: Schema,
): z.infer<Schema> => {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content(files, name)));
  } catch (error) {
    if (error instanceof BundleRefused) throw error;
    throw new BundleRefused(`${name} is not JSON`);
  }
  const { data, error } = schema.safeParse(value);
  if (error)
    throw new BundleRefused(`${name} is not as it must be: ${z.prettifyError(error).slice(0, 1000)}`);
  return data;
};

/** Reads a bundle whole and checks that it is what it says. Throws `BundleRefused`. */
export const readBundle = async (archive: Uint8Array): Promise<PolicyBundle> => {
  const files = await readArchive(archive).catch((error: unknown) => {
    throw error instanceof ArchiveRefused ? new BundleRefused(error.message) : error;
  });
  const { revision } = readJson(files, '.manifest', manifest);
  const found = revisionOf(files);
  if (found !== revision) {
    throw new BundleRefused(`its content is of revision ${found}, its manifest says ${revision}`);
  }
  return {
    revision,
    wasm: content(files, 'policy.wasm'),
    data: content(files, 'data.json'),
    table: readJson(files, 'data.json', ruleTable),
    cases: readJson(files, 'cases.json', casesDocument).cases,
    compilation: readJson(files, 'compilation.json', compilation),
  };
};

/** What a bundle is built from. */
export type BundleContent = {
  readonly wasm: Uint8Array;
  readonly compilation: Compilation;
  readonly table: RuleTable;
  readonly cases: CasesDocument;
};

/** Builds a bundle: the same content gives the same bytes. */
export const writeBundle = async (parts: BundleContent): Promise<Uint8Array> => {
  const json = (value: unknown): Uint8Array => Buffer.from(canonicalJson(value));
  const files = new Map<string, Uint8Array>([
    ['cases.json', json(parts.cases)],
    ['compilation.json', json(parts.compilation)],
    ['data.json', json(parts.table)],
    ['policy.wasm', parts.wasm],
  ]);
  const revision = revisionOf(files);
  files.set(
    '.manifest',
    json({
      revision,
      roots: ['rules', 'countersign'],
      wasm: Object.values(ENTRYPOINTS).map((entrypoint) => ({ entrypoint, module: '/policy.wasm' })),
      rego_version: 1,
    }),
  );
  return writeArchive(files);
};
