/** `countersign policy`: from the files of rules to the bundle in force. */
import { readFile, writeFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { buildBundle, type CompiledPolicy } from '../policy/build-bundle.ts';
import { BundleRefused, type PolicyBundle, parseCompilation, readBundle } from '../policy/bundle.ts';
import type { PolicySource } from '../policy/policy-source.ts';
import { testBundle } from '../policy/self-test.ts';
import { activatePolicy } from '../registry/policy-revisions.ts';
import { CHANGE_OPTIONS, parseChangeNote } from './change-note.ts';
import { type Command, type CommandIo, type ExitCode, parseArguments, UsageError } from './command.ts';
import { explainPolicy } from './policy-explain.ts';
import { withDatabase } from './with-database.ts';

const USAGE = `policy build RULES --output BUNDLE [--cases FILE] [--base BUNDLE | --wasm FILE --compilation FILE]
       countersign policy test [BUNDLE] [--json]
       countersign policy explain --agent ID --audience URI [--scope "A B"] [--role ROLE]... [--key-bound]
                                  [--client-secret] [--registry FILE]... [--policy BUNDLE] [--json]
       countersign policy activate BUNDLE --reason TEXT [--as TENANT/OBJECT]

build     makes a bundle of a file of rules and the cases they must answer (cases.yaml beside the rules, unless
          --cases names another); the compiled policy is taken from --base, the bundle of this package if absent,
          or is what policies/compile.sh made
test      runs the cases of a bundle, of this package's if none is named
explain   says what would be decided and why, by the registry and policy in force, or by files; of a workload that
          signs in to Entra with a certificate or the like, or with --client-secret
activate  puts a bundle in force on every replica, once it has passed its cases`;

const bytesOf = (path: string): Promise<Buffer> =>
  readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot read ${path} (${error.code ?? error.message})`);
  });

const sourceOf = async (path: string): Promise<PolicySource> => ({
  name: path,
  text: (await bytesOf(path)).toString('utf8'),
});

/** The bundle that comes with this package: `src/` and `dist/src/` are under the same package.json. */
const shippedBundle = (): string => {
  const found = findPackageJSON('..', import.meta.url);
  if (found === undefined) throw new Error('the package.json of this program is missing');
  return join(dirname(found), 'policies/bundle.tar.gz');
};

const compiledPolicy = async (options: {
  readonly base?: string | undefined;
  readonly wasm?: string | undefined;
  readonly compilation?: string | undefined;
}): Promise<CompiledPolicy> => {
  const { base, wasm, compilation } = options;
  if (wasm === undefined && compilation === undefined)
    return readBundle(await bytesOf(base ?? shippedBundle()));
  if (wasm === undefined || compilation === undefined || base !== undefined) {
    throw new UsageError('--wasm and --compilation go together, and without --base');
  }
  return {
    wasm: await bytesOf(wasm),
    compilation: parseCompilation((await bytesOf(compilation)).toString('utf8')),
  };
};

/** Reads a bundle and runs its cases. Throws `BundleRefused` with everything that is wrong. */
const tested = async (bytes: Uint8Array): Promise<PolicyBundle> => {
  const bundle = await readBundle(bytes);
  const wrong = await testBundle(bundle);
  if (wrong.length > 0) {
    throw new BundleRefused(`it does not pass its cases:\n${wrong.map((line) => `  ${line}`).join('\n')}`);
  }
  return bundle;
};

const build = async (args: readonly string[], { write }: CommandIo): Promise<ExitCode> => {
  const { values, positionals } = parseArguments(args, {
    allowPositionals: true,
    options: {
      output: { type: 'string' },
      cases: { type: 'string' },
      base: { type: 'string' },
      wasm: { type: 'string' },
      compilation: { type: 'string' },
    },
  });
  const [rules, ...others] = positionals;
  if (rules === undefined || others.length > 0) throw new UsageError('name one file of rules');
  if (values.output === undefined) throw new UsageError('--output says where the bundle goes');
  const bytes = await buildBundle(await compiledPolicy(values), {
    rules: await sourceOf(rules),
    cases: await sourceOf(values.cases ?? join(dirname(rules), 'cases.yaml')),
  });
  const { revision, cases } = await tested(bytes);
  await writeFile(values.output, bytes);
  write(`${values.output}: revision ${revision}, ${cases.length} cases passed\n`);
  return 0;
};

const test = async (args: readonly string[], { write }: CommandIo): Promise<ExitCode> => {
  const { values, positionals } = parseArguments(args, {
    allowPositionals: true,
    options: { json: { type: 'boolean' } },
  });
  if (positionals.length > 1) throw new UsageError('name one bundle');
  const bundle = await readBundle(await bytesOf(positionals[0] ?? shippedBundle()));
  const wrong = await testBundle(bundle);
  const { revision, cases } = bundle;
  if (values.json) write(`${JSON.stringify({ revision, cases: cases.length, wrong })}\n`);
  else {
    for (const line of wrong) write(`wrong: ${line}\n`);
    write(
      `revision ${revision}, ${cases.length} cases, ${wrong.length === 0 ? 'all passed' : 'not passed'}\n`,
    );
  }
  return wrong.length === 0 ? 0 : 1;
};

const activate = async (args: readonly string[], io: CommandIo): Promise<ExitCode> => {
  const { values, positionals } = parseArguments(args, {
    allowPositionals: true,
    options: CHANGE_OPTIONS,
  });
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new UsageError('name one bundle');
  const note = parseChangeNote(values);
  const bytes = await bytesOf(file);
  const { revision } = await tested(bytes);
  const { activated, previous } = await withDatabase(io, (database) =>
    activatePolicy(database, bytes, revision, note),
  );
  io.write(
    activated
      ? `revision ${revision} is in force; before it was ${previous ?? 'none'}\n`
      : `revision ${revision} was in force already\n`,
  );
  return 0;
};

const ACTIONS: Readonly<Record<string, (args: readonly string[], io: CommandIo) => Promise<ExitCode>>> = {
  build,
  test,
  explain: explainPolicy,
  activate,
};

export const policy: Command = {
  name: 'policy',
  summary: 'build, test, explain and activate the rules',
  usage: USAGE,
  run: async ([name, ...args], io) => {
    const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined) throw new UsageError(`say what to do: ${Object.keys(ACTIONS).join(', ')}`);
    return action(args, io);
  },
};
