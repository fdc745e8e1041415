import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyRegistry } from '../../src/registry/apply.ts';
import { loadRegistry } from '../../src/registry/load-registry.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { openTestDatabase } from './database.ts';
import { agent, document, guid, resource, TENANT } from './entries.ts';

const NOTE = { reason: 'Register the agents', appliedBy: 'test' };

/** The registry with another name for the reader. */
const named = (name: string): RegistryDocument =>
  document({ agents: [agent('reader', 1, { name }), agent('writer', 2)] });

let test: Awaited<ReturnType<typeof openTestDatabase>>;
beforeEach(async () => {
  test = await openTestDatabase();
});
afterEach(() => test.end());

const apply = (next: RegistryDocument) => applyRegistry(test.database, next, NOTE);

const agentRows = async () =>
  test.database.db
    .selectFrom('agents')
    .select(['id', 'tenant_id', 'object_id', 'application_id', 'enabled', 'revision'])
    .orderBy('id')
    .execute();

describe('applying a registry', () => {
  it('puts its first revision in force', async () => {
    expect(await apply(document())).toMatchObject({ revision: 1, applied: true, unchanged: 0 });
    expect(await agentRows()).toEqual(
      [1, 2].map((number) => ({
        id: number === 1 ? 'reader' : 'writer',
        tenant_id: TENANT,
        object_id: guid(number),
        application_id: guid(number + 0x100),
        enabled: true,
        revision: 1,
      })),
    );
    const registry = await loadRegistry(test.database);
    expect(registry.revision).toBe(1);
    expect([...registry.agents.keys()]).toEqual(['reader', 'writer']);
    expect([...registry.resources.keys()]).toEqual(['api://knowledge.dev', 'api://knowledge.prod']);
    const revisions = await test.database.db.selectFrom('registry_revisions').selectAll().execute();
    expect(revisions).toEqual([
      expect.objectContaining({
        revision: 1,
        applied_by: 'test',
        reason: 'Register the agents',
        document: document(),
      }),
    ]);
  });

  it('tells one event per change, with what changed and who said so', async () => {
    await apply(document());
    await apply(named('Reader'));
    const events = await test.events('registry.changed');
    expect(events.map(({ id, change }) => `${change} ${id}`)).toEqual([
      'added reader',
      'added writer',
      'added api://knowledge.dev',
      'added api://knowledge.prod',
      'changed reader',
    ]);
    const revisions = await test.database.db
      .selectFrom('registry_revisions')
      .selectAll()
      .orderBy('revision')
      .execute();
    expect(events[4]).toMatchObject({
      agent: 'reader',
      entry: 'agent',
      registry_revision: 2,
      registry_digest: revisions[1]?.digest,
      fields: [{ field: 'name', from: 'The agent reader', to: 'Reader' }],
      missing: false,
      reason: 'Register the agents',
      applied_by: 'test',
    });
  });

  it('writes nothing when the same is applied again, in whatever order', async () => {
    await apply(document());
    const before = await test.everything();
    const { agents, resources } = document();
    const again = await apply({ version: 1, agents: agents.toReversed(), resources: resources.toReversed() });
    expect(again).toEqual({ revision: 1, applied: false, changes: [], unchanged: 4 });
    expect(await test.everything()).toBe(before);
  });

  it('changes nothing in a dry run, and says what it would change', async () => {
    await apply(document());
    const before = await test.everything();
    const dry = await applyRegistry(test.database, named('Reader'), { ...NOTE, dryRun: true });
    expect(dry).toMatchObject({ revision: 1, applied: false, unchanged: 3 });
    expect(dry.changes.map(({ id }) => id)).toEqual(['reader']);
    expect(await test.everything()).toBe(before);
  });

  it('disables what is missing and deletes nothing', async () => {
    await apply(document());
    const next = document({ agents: [agent('reader', 1)], resources: [resource('api://knowledge.prod')] });
    const { changes } = await apply(next);
    expect(changes.map(({ id, change, missing }) => [id, change, missing])).toEqual([
      ['writer', 'disabled', true],
      ['api://knowledge.dev', 'disabled', true],
    ]);
    expect((await agentRows()).map(({ id, enabled }) => [id, enabled])).toEqual([
      ['reader', true],
      ['writer', false],
    ]);
    const registry = await loadRegistry(test.database);
    expect(registry.agentOf({ tenant: TENANT, object: guid(2) })?.enabled).toBe(false);
    expect(registry.resources.get('api://knowledge.dev')?.enabled).toBe(false);
    expect((await apply(next)).applied).toBe(false);
    expect((await apply(document())).changes.map(({ id, change }) => [id, change])).toEqual([
      ['writer', 'changed'],
      ['api://knowledge.dev', 'changed'],
    ]);
  });

  it('marks the agents that a changed API concerns, by its revision', async () => {
    await apply(document({ agents: [agent('reader', 1), agent('writer', 2, { access: [] })] }));
    const next = document({
      agents: [agent('reader', 1), agent('writer', 2, { access: [] })],
      resources: [
        resource('api://knowledge.dev', { environment: 'dev' }),
        resource('api://knowledge.prod', { sensitivity: 'high' }),
      ],
    });
    await apply(next);
    expect((await agentRows()).map(({ id, revision }) => [id, revision])).toEqual([
      ['reader', 2],
      ['writer', 1],
    ]);
  });

  it('lets two agents change their workloads', async () => {
    await apply(document());
    const { agents } = document();
    const [reader, writer] = [agents[0]?.workload, agents[1]?.workload];
    await apply(
      document({
        agents: [
          agent('reader', 1, { workload: writer ?? fail() }),
          agent('writer', 2, { workload: reader ?? fail() }),
        ],
      }),
    );
    expect((await agentRows()).map(({ id, object_id }) => [id, object_id])).toEqual([
      ['reader', guid(2)],
      ['writer', guid(1)],
    ]);
  });

  it('refuses to register a workload anew under another id', async () => {
    await apply(document());
    const before = await test.everything();
    await expect(apply(document({ agents: [agent('reader', 1), agent('author', 2)] }))).rejects.toThrow(
      /author has the workload of writer/,
    );
    expect(await test.everything()).toBe(before);
  });

  it('changes nothing at all if its event cannot be written', async () => {
    await apply(document());
    const owner = await test.connect('owner');
    await owner.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise 'full'; end $$`,
    );
    await owner.query('create trigger refuse before insert on audit_events execute function refuse()');
    const before = await test.everything();
    await expect(apply(named('Reader'))).rejects.toThrow();
    expect(await test.everything()).toBe(before);
    await owner.query('drop trigger refuse on audit_events');
    expect(await apply(named('Reader'))).toMatchObject({ revision: 2, applied: true });
  });
});

describe('loading the registry', () => {
  it('gives an empty one where none was applied', async () => {
    const registry = await loadRegistry(test.database);
    expect([registry.revision, registry.agents.size, registry.resources.size]).toEqual([0, 0, 0]);
  });

  it('refuses a stored revision that is not one', async () => {
    await apply(document());
    const owner = await test.connect('owner');
    await owner.query(`update registry_revisions set document = document - 'version'`);
    await expect(loadRegistry(test.database)).rejects.toThrow();
  });
});

const fail = (): never => {
  throw new Error('the fixture lacks it');
};
