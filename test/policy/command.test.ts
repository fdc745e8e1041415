/** `countersign policy`, run as the command line runs it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UsageError } from '../../src/commands/command.ts';
import { policy } from '../../src/commands/policy.ts';
import { loadActiveBundle } from '../../src/registry/policy-revisions.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { createDatabase } from '../support/database.ts';
import { bundleOf, permitRule, policyFile, shippedBundle } from './bundles.ts';

const REGISTRY = `
version: 1
agents:
  - id: support-agent
    name: Support agent
    description: Answers questions.
    workload:
      tenant: 00000000-0000-4000-8000-000000000001
      object: 00000000-0000-4000-8000-000000000002
      application: 00000000-0000-4000-8000-000000000003
    owners:
      - tenant: 00000000-0000-4000-8000-000000000001
        object: 00000000-0000-4000-8000-000000000009
    access:
      - audience: api://knowledge.prod
        scopes: [articles.read, articles.write]
resources:
  - audience: api://knowledge.prod
    name: Knowledge
    description: Articles.
    environment: prod
    sensitivity: low
    scopes: { articles.read: Read articles., articles.write: Write articles., articles.delete: Delete articles. }
    default_scopes: [articles.read]
`;

const folder = async (files: Record<string, string | Uint8Array>): Promise<(name: string) => string> => {
  const path = await mkdtemp(join(tmpdir(), 'policy-'));
  onTestFinished(() => rm(path, { recursive: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
  return (name) => join(path, name);
};

const run = async (args: readonly string[], environment: Record<string, string> = {}) => {
  let written = '';
  const write = (text: string): void => {
    written += text;
  };
  const logger = pino({ level: 'silent' });
  const code = await policy.run(args, { environment, write, writeError: write, logger });
  return { code, written };
};

describe('policy build', () => {
  const rules = policyFile('rules.yaml').toString();
  const cases = policyFile('cases.yaml').toString();

  it('makes the bundle of this package from its files, without a compiler', async () => {
    const at = await folder({ 'rules.yaml': rules, 'cases.yaml': cases });
    const { code, written } = await run(['build', at('rules.yaml'), '--output', at('bundle.tar.gz')]);
    expect(code).toBe(0);
    expect(written).toMatch(/: revision [0-9a-f]{64}, 16 cases passed\n$/);
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

describe('policy explain', () => {
  const explain = async (...args: string[]) => {
    const at = await folder({ 'registry.yaml': REGISTRY, 'bundle.tar.gz': shippedBundle() });
    const files = ['--registry', at('registry.yaml'), '--policy', at('bundle.tar.gz')];
    const asked = [
      'explain',
      '--agent',
      'support-agent',
      '--audience',
      'api://knowledge.prod',
      ...files,
      ...args,
    ];
    return run(asked);
  };

  it('says what is decided, by which rule, for how long and who may approve', async () => {
    const { code, written } = await explain('--scope', 'articles.write articles.read');
    expect(code).toBe(0);
    expect(written.split('\n')).toEqual([
      'support-agent asks api://knowledge.prod (prod, low) for articles.read articles.write',
      'NEEDS APPROVAL by rule knowledge-write-prod',
      '  told to the agent: Writing articles in production needs the approval of an editor.',
      '  told to people: Customers read what is written here; an editor looks at it first.',
      '  token: 45 s (rules give 45 s, prod allows 45 s)',
      '  grant: 900 s, any number of tokens',
      '  approval: by 1 person with the Entra role Approver.knowledge',
      '  never by an owner of the agent: 00000000-0000-4000-8000-000000000001/00000000-0000-4000-8000-000000000009',
      '  waits 1800 s for a decision, 600 s to be picked up; a denial holds 3600 s',
      '  rules about articles.read:',
      '    knowledge-read (permit) matches; its limits count, too',
      '  rules about articles.write:',
      '    knowledge-write-prod (needs_approval) matches and decides',
      expect.stringMatching(/^policy [0-9a-f]{64}$/),
      '',
    ]);
  });

  it('asks for the default scopes of the API if none is named', async () => {
    const { written } = await explain();
    expect(written).toContain('PERMIT by rule knowledge-read');
    expect(written).toContain('token: 45 s (rules give 120 s, prod allows 45 s)');
  });

  it('tells a machine the same', async () => {
    const { written } = await explain('--json', '--scope', 'articles.write');
    expect(JSON.parse(written)).toMatchObject({
      agent: 'support-agent',
      scopes: ['articles.write'],
      decision: 'needs_approval',
      rule: 'knowledge-write-prod',
      token_seconds: 45,
      approval: { groups: ['knowledge'], quorum: 1 },
      rules: [{ scope: 'articles.write', rule: 'knowledge-write-prod', unmet: [] }],
    });
  });

  it('says why the rules that do not match do not', async () => {
    const at = await folder({
      'registry.yaml': REGISTRY,
      'bundle.tar.gz': await bundleOf({
        rules: [
          permitRule({
            id: 'others',
            resource: 'api://knowledge.prod',
            scopes: ['articles.read'],
            agents: ['a', 'b'],
          }),
          permitRule({
            id: 'below',
            resource: 'api://knowledge.prod',
            scopes: ['articles.read'],
            agents: 'any',
            environments: ['dev', 'test'],
            sensitivities: ['high'],
            roles: ['Reader'],
          }),
        ],
      }),
    });
    const files = ['--registry', at('registry.yaml'), '--policy', at('bundle.tar.gz')];
    const asked = ['explain', '--agent', 'support-agent', '--audience', 'api://knowledge.prod', ...files];
    const { written } = await run([...asked, '--role', 'Writer']);
    expect(written).toContain('DENY by rule default');
    expect(written).toContain('others (permit) does not match: it is for a, b');
    expect(written).toContain(
      'below (permit) does not match: it is for dev, test; the API is prod; ' +
        "it wants the roles Reader; the workload has Writer; it is for high sensitivity; the API's is low",
    );
  });

  it('says what the registry refuses before policy is asked', async () => {
    expect((await explain('--scope', 'articles.delete')).written).toContain(
      'REFUSED by the registry, before policy: invalid_scope (scope_unknown)',
    );
    expect((await explain('--agent', 'nobody')).written).toContain('(agent_unknown)');
    expect(JSON.parse((await explain('--json', '--audience', 'api://other')).written)).toMatchObject({
      refused: { reason: 'target_unknown', error: 'invalid_target' },
    });
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
