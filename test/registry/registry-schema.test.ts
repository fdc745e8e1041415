import { describe, expect, it } from 'vitest';
import { registryJsonSchema } from '../../src/registry/registry-schema.ts';
import { agent, document, guid, problemsWith, resource, TENANT } from './entries.ts';

const problemsOfAgent = (change: object): readonly string[] =>
  problemsWith({ agents: [{ ...agent('reader', 1), ...change }] });

const problemsOfResource = (change: object): readonly string[] =>
  problemsWith({ resources: [{ ...resource('api://knowledge.prod'), ...change }] });

describe('an agent', () => {
  it.each([
    ['an id that is a GUID', { id: 'abcdefab-cdef-4def-8def-abcdefabcdef' }, 'must not be a GUID'],
    ['an id that is a GUID without dashes', { id: 'abcdefabcdef4def8defabcdefabcdef' }, 'must not be a GUID'],
    ['an id like a request', { id: 'areq_abc' }, 'lower-case letters'],
    ['an id nearly like a request', { id: 'areq-abc' }, 'must not begin with "areq-"'],
    ['no owner', { owners: [] }, 'must name at least one owner'],
    [
      'an owner named twice',
      { owners: [1, 1].map(() => ({ tenant: TENANT, object: guid(9) })) },
      'is listed twice',
    ],
    ['an owner by mail address', { owners: ['owner@lab.example'] }, 'expected object'],
    ['an environment that there is not', { environment: 'production' }, 'dev'],
    [
      'the empty GUID',
      { workload: { ...agent('reader', 1).workload, object: '00000000-0000-0000-0000-000000000000' } },
      'must not be the empty GUID',
    ],
    [
      'a name that turns the line around',
      { name: 'Reader \u202Edorp' },
      'without control or formatting characters',
    ],
    ['a name of two lines', { name: 'a\nb' }, 'one line'],
    [
      'access to an unknown audience',
      { access: [{ audience: 'api://other', scopes: ['articles.read'] }] },
      'no resource has the audience api://other',
    ],
    [
      'access to an unknown scope',
      { access: [{ audience: 'api://knowledge.prod', scopes: ['articles.burn'] }] },
      'has no scope articles.burn',
    ],
    [
      'access to what every object has',
      { access: [{ audience: 'api://knowledge.prod', scopes: ['constructor'] }] },
      'has no scope constructor',
    ],
    [
      'one audience twice',
      {
        access: ['articles.read', 'articles.write'].map((scope) => ({
          audience: 'api://knowledge.prod',
          scopes: [scope],
        })),
      },
      'api://knowledge.prod is listed twice',
    ],
    [
      'access to nothing of an audience',
      { access: [{ audience: 'api://knowledge.prod', scopes: [] }] },
      'at least one scope',
    ],
  ])('may not have %s', (_, change, problem) => {
    const problems = problemsOfAgent(change);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it('may not share its workload with another agent', () => {
    expect(problemsWith({ agents: [agent('reader', 1), agent('twin', 1)] })).toEqual([
      expect.stringContaining('twin has the workload of reader'),
    ]);
  });
});

describe('a resource', () => {
  it.each([
    ['a scope with a space', { scopes: { 'articles read': 'Read' }, default_scopes: [] }, 'printable ASCII'],
    ['no scope', { scopes: {}, default_scopes: [] }, 'at least one scope'],
    [
      'a default scope that it does not have',
      { default_scopes: ['articles.burn'] },
      'has no scope articles.burn',
    ],
    [
      'the workload of an agent',
      { workload: agent('reader', 1).workload && { tenant: TENANT, object: guid(1) } },
      'this is the workload of agent reader',
    ],
    [
      'a detail type with an unknown kind of field',
      { authorization_details: { t: { description: 'T', fields: { f: { type: 'float' } } } } },
      'Invalid',
    ],
    [
      'a detail type with a misspelled bound',
      { authorization_details: { t: { description: 'T', fields: { f: { type: 'string', maxlength: 3 } } } } },
      'has no field "maxlength"',
    ],
    [
      'a detail field called type',
      { authorization_details: { t: { description: 'T', fields: { type: { type: 'string' } } } } },
      'must not be "type"',
    ],
    [
      'bounds the wrong way round',
      {
        authorization_details: {
          t: { description: 'T', fields: { f: { type: 'integer', minimum: 3, maximum: 2 } } },
        },
      },
      'must not be below the minimum',
    ],
  ])('may not have %s', (_, change, problem) => {
    const problems = problemsOfResource(change).filter((line) => !line.includes('agents['));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it('may share its workload with the same API in another environment', () => {
    const workload = { tenant: TENANT, object: guid(0x500) };
    const resources = document().resources.map((entry) => ({ ...entry, workload }));
    expect(problemsWith({ resources })).toEqual([]);
  });
});

describe('registry.schema.json', () => {
  it('is what the files are validated by (else run this test with -u)', async () => {
    await expect(registryJsonSchema()).toMatchFileSnapshot('../../registry.schema.json');
  });
});
