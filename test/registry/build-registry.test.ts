import { describe, expect, it } from 'vitest';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { parseRegistry } from '../../src/registry/registry-file.ts';
import { agent, document, guid, resource, TENANT } from './entries.ts';

const KNOWLEDGE = 'api://knowledge.prod';

describe('a registry snapshot', () => {
  const registry = buildRegistry(7, document());

  it('finds an agent by its id and by its workload', () => {
    expect(registry.revision).toBe(7);
    expect(registry.agents.get('writer')?.name).toBe('The agent writer');
    expect(registry.agentOf({ tenant: TENANT, object: guid(2) })?.id).toBe('writer');
  });

  it('finds no agent by the object id of another tenant', () => {
    expect(registry.agentOf({ tenant: guid(0x999), object: guid(2) })).toBeUndefined();
  });

  it('keeps the ceiling and the scopes as sets that an inherited name is not in', () => {
    const ceiling = registry.agents.get('reader')?.ceiling.get(KNOWLEDGE);
    expect([...(ceiling ?? [])]).toEqual(['articles.read']);
    expect(registry.resources.get(KNOWLEDGE)?.scopes.get('constructor')).toBeUndefined();
    expect([...(registry.resources.get(KNOWLEDGE)?.scopes.keys() ?? [])]).toEqual([
      'articles.read',
      'articles.write',
    ]);
  });

  it('says what is not set', () => {
    expect(registry.agents.get('reader')?.environment).toBeNull();
    expect(registry.resources.get(KNOWLEDGE)?.workload).toBeNull();
  });

  it('keeps disabled entries, told by their flag', () => {
    const closed = buildRegistry(1, document({ agents: [agent('reader', 1, { enabled: false })] }));
    expect(closed.agentOf({ tenant: TENANT, object: guid(1) })?.enabled).toBe(false);
  });
});

describe('authorization details', () => {
  const { authorization_details } =
    parseRegistry([
      {
        name: 'details.yaml',
        text: JSON.stringify({
          version: 1,
          resources: [
            {
              ...resource(KNOWLEDGE),
              authorization_details: {
                export: {
                  description: 'What is exported',
                  fields: {
                    month: { type: 'integer', minimum: 1, maximum: 12 },
                    format: { type: 'string', values: ['csv', 'pdf'], optional: true },
                    note: { type: 'string', max_length: 5, optional: true },
                    departments: { type: 'strings', max_items: 2, optional: true },
                    draft: { type: 'boolean', optional: true },
                  },
                },
                nothing: { description: 'Says no more', fields: {} },
              },
            },
          ],
        }),
      },
    ]).resources[0] ?? resource(KNOWLEDGE);
  const check = (...details: Record<string, unknown>[]): string | null | undefined =>
    buildRegistry(1, document({ resources: [resource(KNOWLEDGE, { authorization_details })] }))
      .resources.get(KNOWLEDGE)
      ?.checkAuthorizationDetails(details);
  const element = { type: 'export', month: 3 };

  it.each([
    ['nothing', []],
    ['what its type demands', [element]],
    ['every field', [{ ...element, format: 'csv', note: 'müßig', departments: ['a', 'b'], draft: false }]],
    ['several elements', [element, { type: 'nothing' }]],
  ])('may say %s', (_, details) => {
    expect(check(...details)).toBeNull();
  });

  it.each([
    ['an unknown type', { type: 'import' }, ' is of a type that this API does not have'],
    ['a type that every object has', { type: 'constructor' }, ' is of a type that this API does not have'],
    ['no type', { month: 3 }, ' is of a type that this API does not have'],
    ['a type that is a list', { type: ['export'] }, ' is of a type that this API does not have'],
    [
      'a member that the type does not have',
      { ...element, amount: 1 },
      ' has a member that its type does not have',
    ],
    [
      'a member called __proto__',
      JSON.parse('{"type":"nothing","__proto__":{}}'),
      ' has a member that its type does not have',
    ],
    ['too little', { type: 'export' }, '.month is missing'],
    ['a field set to null', { ...element, draft: null }, '.draft must be true or false'],
    ['a number below its bound', { ...element, month: 0 }, '.month must be at least 1'],
    ['a number above its bound', { ...element, month: 13 }, '.month must be at most 12'],
    ['a fraction', { ...element, month: 1.5 }, '.month must be an integer'],
    ['a number in quotes', { ...element, month: '3' }, '.month must be an integer'],
    ['a value that is not listed', { ...element, format: 'exe' }, '.format has a value that is not allowed'],
    ['a text that is too long', { ...element, note: '123456' }, '.note must have at most 5 characters'],
    ['a text that turns the line around', { ...element, note: '\u202Ea' }, '.note must be plain text'],
    ['half a character', { ...element, note: '\uD800' }, '.note must be plain text'],
    [
      'too many items',
      { ...element, departments: ['a', 'b', 'c'] },
      '.departments must have at most 2 items',
    ],
    [
      'an item twice',
      { ...element, departments: ['a', 'a'] },
      '.departments must not have the same item twice',
    ],
    ['an item that is no text', { ...element, departments: [{}] }, '.departments must be plain text'],
    ['an empty list', { ...element, departments: [] }, '.departments must be a list that is not empty'],
  ])('may not say %s', (_, details, problem) => {
    expect(check(element, details)).toBe(`authorization_details[1]${problem}`);
  });
});
