import { describe, expect, it } from 'vitest';
import { checkKept, diffRegistry } from '../../src/registry/registry-diff.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { agent, document, guid, resource, TENANT } from './entries.ts';

const NOTHING: RegistryDocument = { version: 1, agents: [], resources: [] };

const summary = (current: RegistryDocument, next: RegistryDocument) =>
  diffRegistry(current, next).changes.map(
    ({ id, change, missing }) => `${change} ${id}${missing ? ' (missing)' : ''}`,
  );

describe('the difference of two registries', () => {
  it('is everything, added, where there was nothing', () => {
    expect(summary(NOTHING, document())).toEqual([
      'added reader',
      'added writer',
      'added api://knowledge.dev',
      'added api://knowledge.prod',
    ]);
  });

  it('is nothing between equals', () => {
    const { changes, unchanged, effective } = diffRegistry(document(), document());
    expect([changes, unchanged, effective]).toEqual([[], 4, document()]);
  });

  it('disables what the files no longer name, and keeps it', () => {
    const next = document({ agents: [agent('reader', 1)] });
    const { changes, effective } = diffRegistry(document(), next);
    expect(changes).toEqual([
      {
        entry: 'agent',
        id: 'writer',
        change: 'disabled',
        missing: true,
        fields: [{ field: 'enabled', from: true, to: false }],
      },
    ]);
    expect(effective.agents).toEqual([agent('reader', 1), agent('writer', 2, { enabled: false })]);
    expect(summary(effective, next)).toEqual([]);
  });

  it('tells a switch in the file from an entry that is missing', () => {
    const next = document({ agents: [agent('reader', 1), agent('writer', 2, { enabled: false })] });
    expect(summary(document(), next)).toEqual(['disabled writer']);
  });

  it('brings an entry back that the files name again', () => {
    const gone = diffRegistry(document(), document({ agents: [agent('reader', 1)] })).effective;
    expect(summary(gone, document())).toEqual(['changed writer']);
  });

  it('names each field that differs, and one that is set or taken away', () => {
    const next = document({
      agents: [agent('reader', 1, { name: 'Reader', environment: 'dev' }), agent('writer', 2)],
    });
    const [there] = diffRegistry(document(), next).changes;
    expect(there?.fields).toEqual([
      { field: 'environment', from: null, to: 'dev' },
      { field: 'name', from: 'The agent reader', to: 'Reader' },
    ]);
    const [back] = diffRegistry(next, document()).changes;
    expect(back?.fields[0]).toEqual({ field: 'environment', from: 'dev', to: null });
  });
});

describe('what stays registered', () => {
  const problems = (current: RegistryDocument, next: RegistryDocument): string[] =>
    checkKept(next, diffRegistry(current, next).effective);

  it('keeps its workload, so that a new id does not shed what holds against the old one', () => {
    const renamed = document({ agents: [agent('reader', 1), agent('author', 2)] });
    expect(problems(document(), renamed)).toEqual([
      expect.stringMatching(/^author workload: author has the workload of writer.*stays registered/),
    ]);
  });

  it('gives its workload up if the files say so', () => {
    const moved = document({
      agents: [agent('reader', 1), agent('author', 2), agent('writer', 3, { enabled: false })],
    });
    expect(problems(document(), moved)).toEqual([]);
  });

  it('does not become the workload of an API', () => {
    const next = document({
      agents: [agent('reader', 1)],
      resources: [resource('api://knowledge.prod', { workload: { tenant: TENANT, object: guid(2) } })],
    });
    expect(problems(document(), next)).toEqual([
      expect.stringContaining('this is the workload of agent writer'),
    ]);
  });

  it('may name APIs and scopes that are gone', () => {
    const next = document({
      agents: [],
      resources: [resource('api://knowledge.prod', { scopes: { other: 'Another' }, default_scopes: [] })],
    });
    expect(problems(document(), next)).toEqual([]);
  });
});
