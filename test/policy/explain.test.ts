import { describe, expect, it } from 'vitest';
import { bundleOf, permitRule, shippedBundle } from './bundles.ts';
import { folder, REGISTRY, run } from './command-line.ts';

describe('policy explain', () => {
  const explain = async (...args: string[]) => {
    const at = await folder({ 'registry.yaml': REGISTRY, 'bundle.tar.gz': shippedBundle() });
    const files = ['--registry', at('registry.yaml'), '--policy', at('bundle.tar.gz')];
    const usual = { '--agent': 'support-agent', '--audience': 'api://knowledge.prod' };
    const left = Object.entries(usual).filter(([option]) => !args.includes(option));
    return run(['explain', ...left.flat(), ...files, ...args]);
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
      '  never by an owner or sponsor of the agent: 00000000-0000-4000-8000-000000000001/00000000-0000-4000-8000-000000000009',
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

  it('says what a rule demands of the caller beside its conditions', async () => {
    const at = await folder({
      'registry.yaml': REGISTRY,
      'bundle.tar.gz': await bundleOf({
        rules: [
          permitRule({
            id: 'certified',
            resource: 'api://knowledge.prod',
            scopes: ['articles.read'],
            agents: 'any',
            refuse_client_secret: true,
          }),
        ],
      }),
    });
    const files = ['--registry', at('registry.yaml'), '--policy', at('bundle.tar.gz')];
    const asked = ['explain', '--agent', 'support-agent', '--audience', 'api://knowledge.prod', ...files];
    expect((await run(asked)).written).toContain('certified (permit) matches and decides');
    const { written } = await run([...asked, '--client-secret']);
    expect(written).toContain('DENY by rule certified');
    expect(written).toContain('matches, and refuses a workload that signed in with a client secret');
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
