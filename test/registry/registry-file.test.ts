import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseRegistry, readRegistry } from '../../src/registry/registry-file.ts';
import { agent, document, file, guid, problemsOf, problemsWith, resource, TENANT } from './entries.ts';

describe('a registry file', () => {
  it('is read with its defaults, in one order', () => {
    const { enabled: _, ...plain } = agent('reader', 1);
    const {
      enabled: __,
      authorization_details: ___,
      default_scopes: ____,
      ...api
    } = resource('api://a.prod');
    const read = parseRegistry([
      file({
        version: 1,
        agents: [
          agent('writer', 2, { access: [] }),
          { ...plain, access: [{ audience: 'api://a.prod', scopes: ['articles.write', 'articles.read'] }] },
        ],
        resources: [api],
      }),
    ]);
    expect(read.agents.map(({ id, enabled }) => [id, enabled])).toEqual([
      ['reader', true],
      ['writer', true],
    ]);
    expect(read.agents[0]?.access[0]?.scopes).toEqual(['articles.read', 'articles.write']);
    expect(read.resources[0]).toMatchObject({ enabled: true, default_scopes: [], authorization_details: {} });
  });

  it('has its GUIDs lower-cased', () => {
    const upper = { tenant: TENANT.toUpperCase(), object: 'ABCDEFAB-CDEF-4DEF-8DEF-ABCDEFABCDEF' };
    const read = parseRegistry([file(document({ agents: [agent('reader', 1, { owners: [upper] })] }))]);
    expect(read.agents[0]?.owners).toEqual([
      { tenant: TENANT, object: 'abcdefab-cdef-4def-8def-abcdefabcdef' },
    ]);
  });

  it('says every problem at once, with file, line, path and what to do', () => {
    const agents = `version: 1
agents:
  - id: Reader
    name: Reader
    description: Reads.
    workload: { tenant: ${TENANT}, object: nobody, application: ${guid(2)} }
    owners: []
    acess: []
    access:
      - audience: api://missing
        scopes: [articles.read]
`;
    const resources = `version: 1
resources:
  - audience: api://knowledge.prod
    name: Knowledge
    environment: production
    sensitivity: low
    scopes: { 'articles.read': Read }
`;
    expect(problemsOf({ name: 'a.yaml', text: agents }, { name: 'b.yaml', text: resources })).toEqual([
      'a.yaml:3 agents[0].id: must be 2-63 lower-case letters, digits and "-", beginning with a letter',
      'a.yaml:6 agents[0].workload.object: must be a GUID, such as 11111111-2222-3333-4444-555555555555',
      'a.yaml:7 agents[0].owners: must name at least one owner',
      'a.yaml:3 agents[0]: has no field "acess": correct its name or remove it',
      'b.yaml:3 resources[0].description: is missing: it must be a string',
      'b.yaml:5 resources[0].environment: Invalid option: expected one of "dev"|"test"|"prod"',
    ]);
  });

  it('has its references checked even where another entry is malformed', () => {
    const problems = problemsWith({
      agents: [agent('reader', 1, { access: [{ audience: 'api://missing', scopes: ['a'] }] }), { id: 'x' }],
    });
    expect(problems.some((problem) => problem.includes('no resource has the audience api://missing'))).toBe(
      true,
    );
    expect(problems.some((problem) => problem.includes('agents[1].name: is missing'))).toBe(true);
  });

  it('does not call an audience missing whose own entry is malformed', () => {
    expect(
      problemsWith({ resources: [{ ...resource('api://knowledge.prod'), sensitivity: 'secret' }] }),
    ).toHaveLength(1);
  });

  it.each([
    ['broken syntax', 'version: 1\nagents: [', /^r\.yaml:\d+ /],
    ['a key given twice', 'version: 1\nversion: 1\nagents: []', /^r\.yaml:2 Map keys must be unique/],
    ['an unknown tag', 'version: 1\nagents: !!set {a}', /^r\.yaml:2 /],
    ['two documents', 'version: 1\n---\nversion: 1', /^r\.yaml:\d+ .*multiple documents/],
    ['an empty file', '', /^r\.yaml:1: /],
    ['a version of the future', 'version: 2\nagents: []', /^r\.yaml:1 version: must be 1/],
    ['nothing at all', 'version: 1', /name no agent and no resource/],
    [
      'aliases that explode',
      `version: 1\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]`,
      /alias/,
    ],
  ])('refuses %s', (_, text, problem) => {
    const problems = problemsOf({ name: 'r.yaml', text });
    expect(problems).not.toHaveLength(0);
    expect(problems[0]).toMatch(problem);
  });

  it('refuses a file that cannot be read', async () => {
    await expect(readRegistry(['/nowhere/registry.yaml'])).rejects.toThrow(
      /nowhere.*cannot be read \(ENOENT\)/s,
    );
  });
});

describe('several registry files', () => {
  const directories: string[] = [];
  afterEach(async () => {
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
  });

  it('are one registry', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'registry-'));
    directories.push(directory);
    const { agents, resources } = document();
    await writeFile(join(directory, 'agents.yaml'), stringify({ version: 1, agents }));
    await writeFile(join(directory, 'apis.yaml'), stringify({ version: 1, resources }));
    expect(await readRegistry([join(directory, 'agents.yaml'), join(directory, 'apis.yaml')])).toEqual(
      document(),
    );
  });

  it('may not describe an agent or a resource twice', () => {
    const { agents, resources } = document();
    expect(
      problemsOf(
        file({ version: 1, agents, resources }, 'a.yaml'),
        file(
          { version: 1, agents: [agent('reader', 9)], resources: [resource('api://knowledge.dev')] },
          'b.yaml',
        ),
      ),
    ).toEqual([
      expect.stringMatching(/^b\.yaml:\d+ agents\[0\]: agent reader is already at a\.yaml:\d+ agents\[0\]/),
      expect.stringMatching(
        /^b\.yaml:\d+ resources\[0\]: resource api:\/\/knowledge\.dev is already at a\.yaml/,
      ),
    ]);
  });
});

describe('registry.example.yaml', () => {
  it('is a valid registry', async () => {
    const read = await readRegistry(['registry.example.yaml']);
    expect(read.agents.map(({ id }) => id)).toEqual(['payroll-agent', 'release-agent']);
    expect(read.resources).toHaveLength(3);
  });
});
