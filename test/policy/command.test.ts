/** `countersign policy`, run as the command line runs it. */
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UsageError } from '../../src/commands/command.ts';
import { loadActiveBundle } from '../../src/registry/policy-revisions.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { createDatabase } from '../support/database.ts';
import { bundleOf, policyFile, shippedBundle } from './bundles.ts';
import { folder, REGISTRY, run } from './command-line.ts';

describe('policy build', () => {
  const rules = policyFile('rules.yaml').toString();
  const cases = policyFile('cases.yaml').toString();

  it('makes the bundle of this package from its files, without a compiler', async () => {
    const at = await folder({ 'rules.yaml': rules, 'cases.yaml': cases });
    const { code, written } = await run(['build', at('rules.yaml'), '--output', at('bundle.tar.gz')]);
    expect(code).toBe(0);
    expect(written).toMatch(/: revision [0-9a-f]{64}, 20 cases passed\n$/);
    expect(shippedBundle().equals(await readFile(at('bundle.tar.gz')))).toBe(true);
  });

  it('takes a changed rule over, and the policy from another bundle', async () => {
    const changed = rules.replace('decision: deny', 'decision: permit\n    token_seconds: 10');
    const at = await folder({
      'rules.yaml': changed,
      'none.yaml': 'cases: []',
      'base.tar.gz': await bundleOf(),
    });
    const args = ['--cases', at('none.yaml'), '--base', at('base.tar.gz'), '--output', at('bundle.tar.gz')];
    expect(await run(['build', at('rules.yaml'), ...args])).toMatchObject({ code: 0 });
    expect(await run(['test', at('bundle.tar.gz')])).toMatchObject({ code: 0 });
  });

  it('writes nothing if a case is not answered as it says', async () => {
    const at = await folder({
      'rules.yaml': rules.replace('decision: deny', 'decision: permit\n    token_seconds: 10'),
      'cases.yaml': cases,
    });
    await expect(run(['build', at('rules.yaml'), '--output', at('bundle.tar.gz')])).rejects.toThrow(
      'nobody deletes a database in production: decision is "permit", expected "deny"',
    );
    await expect(readFile(at('bundle.tar.gz'))).rejects.toThrow('ENOENT');
  });

  it('shows the problems of both files, each with its line', async () => {
    const at = await folder({
      'rules.yaml': rules.replace('token_seconds: 120', 'token_seconds: 0'),
      'cases.yaml': cases.replace('expect:', 'expects:'),
    });
    const building = run(['build', at('rules.yaml'), '--output', at('bundle.tar.gz')]);
    await expect(building).rejects.toThrow(/rules\.yaml:\d+ rules\[0\]\.token_seconds/);
    await expect(building).rejects.toThrow(/cases\.yaml:\d+ cases\[0\]: has no field "expects"/);
  });

  it.each([
    [[]],
    [['build']],
    [['build', 'rules.yaml']],
    [['build', 'rules.yaml', 'more.yaml', '--output', 'x']],
    [['build', 'rules.yaml', '--output', 'x', '--wasm', 'y']],
    [['build', 'rules.yaml', '--output', 'x', '--unknown']],
    [['constructor']],
    [['explain', '--agent', 'support-agent']],
    [['activate', 'bundle.tar.gz']],
    [['activate', 'bundle.tar.gz', '--reason', ' ']],
    [['activate', 'bundle.tar.gz', '--reason', 'because', '--as', 'me']],
  ])('is told how it is used after %j', async (args) => {
    await expect(run(args)).rejects.toBeInstanceOf(UsageError);
  });
});

describe('policy test', () => {
  it('passes the bundle of this package', async () => {
    expect(await run(['test'])).toMatchObject({ code: 0, written: expect.stringContaining('all passed') });
  });

  it('fails on a case that is not answered as it says', async () => {
    const example = {
      name: 'the agent reads',
      agent: 'agent',
      resource: { audience: 'api://thing.prod', environment: 'prod' as const, sensitivity: 'low' as const },
      scopes: ['read'],
      expect: { decision: 'permit' as const, token_seconds: 30 },
    };
    const at = await folder({ 'bundle.tar.gz': await bundleOf({ cases: { cases: [example] } }) });
    const { code, written } = await run(['test', at('bundle.tar.gz')]);
    expect(code).toBe(1);
    expect(written).toContain('wrong: the agent reads: token_seconds is 40, expected 30');
    const json = await run(['test', at('bundle.tar.gz'), '--json']);
    expect(JSON.parse(json.written)).toMatchObject({ cases: 1, wrong: [expect.stringContaining('reads')] });
  });
});

describe('policy activate', () => {
  it('puts a bundle in force, which explain then goes by', async () => {
    const database = await createDatabase();
    onTestFinished(database.drop);
    const environment = { COUNTERSIGN_DATABASE: database.applicationDsn };
    const at = await folder({ 'registry.yaml': REGISTRY, 'bundle.tar.gz': shippedBundle() });
    const asked = ['explain', '--agent', 'support-agent', '--audience', 'api://knowledge.prod'];
    await expect(run([...asked, '--registry', at('registry.yaml')], environment)).rejects.toThrow(
      'no policy is in force',
    );

    const activate = ['activate', at('bundle.tar.gz'), '--reason', 'first rules'];
    const { code, written } = await run(activate, environment);
    expect(code).toBe(0);
    expect(written).toMatch(/^revision [0-9a-f]{64} is in force; before it was none\n$/);
    expect((await run(activate, environment)).written).toContain('was in force already');

    const reader = await openDatabase({ dsn: database.applicationDsn, logger: pino({ level: 'silent' }) });
    onTestFinished(reader.close);
    const active = await loadActiveBundle(reader);
    expect(written).toContain(active?.revision);
    expect((await run([...asked, '--registry', at('registry.yaml')], environment)).written).toContain(
      'PERMIT',
    );
  });

  it('refuses a bundle that does not pass its cases, and leaves the database alone', async () => {
    const example = {
      name: 'the agent reads',
      agent: 'agent',
      resource: { audience: 'api://thing.prod', environment: 'prod' as const, sensitivity: 'low' as const },
      scopes: ['read'],
      expect: { decision: 'deny' as const },
    };
    const at = await folder({ 'bundle.tar.gz': await bundleOf({ cases: { cases: [example] } }) });
    const environment = { COUNTERSIGN_DATABASE: 'postgres://nobody@127.0.0.1:1/nothing' };
    await expect(run(['activate', at('bundle.tar.gz'), '--reason', 'because'], environment)).rejects.toThrow(
      'the agent reads: decision is "permit", expected "deny"',
    );
  });
});
