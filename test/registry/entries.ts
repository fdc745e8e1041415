/** The one valid registry of these tests; each test changes one thing. */
import { stringify } from 'yaml';
import { parseRegistry, RegistryInvalid } from '../../src/registry/registry-file.ts';
import type { AgentEntry, RegistryDocument, ResourceEntry } from '../../src/registry/registry-schema.ts';

export const TENANT = '11111111-1111-4111-8111-111111111111';

/** A GUID that is told by its number. */
export const guid = (number: number): string =>
  `22222222-2222-4222-8222-${number.toString(16).padStart(12, '0')}`;

export const agent = (id: string, number: number, change: Partial<AgentEntry> = {}): AgentEntry => ({
  id,
  name: `The agent ${id}`,
  description: 'Reads articles.',
  enabled: true,
  workload: { tenant: TENANT, object: guid(number), application: guid(number + 0x100) },
  owners: [{ tenant: TENANT, object: guid(number + 0x200) }],
  access: [{ audience: 'api://knowledge.prod', scopes: ['articles.read'] }],
  ...change,
});

export const resource = (audience: string, change: Partial<ResourceEntry> = {}): ResourceEntry => ({
  audience,
  name: 'Knowledge',
  description: 'Articles.',
  enabled: true,
  environment: 'prod',
  sensitivity: 'low',
  scopes: { 'articles.read': 'Read articles', 'articles.write': 'Change articles' },
  default_scopes: ['articles.read'],
  token_signing_alg: 'ES256',
  authorization_details: {},
  ...change,
});

/** Two agents and two resources. */
export const document = (change: Partial<RegistryDocument> = {}): RegistryDocument => ({
  version: 1,
  agents: [agent('reader', 1), agent('writer', 2)],
  resources: [resource('api://knowledge.dev', { environment: 'dev' }), resource('api://knowledge.prod')],
  ...change,
});

/** A registry file of that content. */
export const file = (content: unknown, name = 'registry.yaml') => ({ name, text: stringify(content) });

/** What is wrong with the files; empty: nothing. */
export const problemsOf = (...files: { name: string; text: string }[]): readonly string[] => {
  try {
    parseRegistry(files);
  } catch (error) {
    if (error instanceof RegistryInvalid) return error.problems;
    throw error;
  }
  return [];
};

/** Problems of the valid registry with one thing changed. */
export const problemsWith = (change: Partial<Record<keyof RegistryDocument, unknown>>): readonly string[] =>
  problemsOf(file({ ...document(), ...change }));
