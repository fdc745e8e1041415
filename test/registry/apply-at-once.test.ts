import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyIfEmpty, applyRegistry } from '../../src/registry/apply.ts';
import { loadRegistry } from '../../src/registry/load-registry.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { openTestDatabase } from './database.ts';
import { agent, document, resource } from './entries.ts';

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

describe('applying at the same time', () => {
  it('gives one revision after the other, each the difference to the one before', async () => {
    await apply(document());
    const names = ['A', 'B', 'C', 'D', 'E', 'F'];
    const applied = await Promise.all(names.map((name) => apply(named(name))));
    expect(applied.map(({ revision }) => revision).sort()).toEqual([2, 3, 4, 5, 6, 7]);
    const changed = (await test.events('registry.changed')).slice(4);
    expect(changed.map((event) => event.registry_revision)).toEqual([2, 3, 4, 5, 6, 7]);
    const steps = changed.map((event) => (event.fields as { from: string; to: string }[])[0]);
    for (const [index, step] of steps.entries())
      expect(step?.from).toBe(index === 0 ? 'The agent reader' : steps[index - 1]?.to);
    expect((await loadRegistry(test.database)).agents.get('reader')?.name).toBe(steps.at(-1)?.to);
  });

  it('writes the same content once', async () => {
    const applied = await Promise.all([1, 2, 3, 4].map(() => apply(document())));
    expect(applied.filter((result) => result.applied)).toHaveLength(1);
    expect(applied.map(({ revision }) => revision)).toEqual([1, 1, 1, 1]);
  });

  it('waits for an exchange that holds its agent, and is seen by the next', async () => {
    await apply(document());
    const exchange = await test.connect();
    await exchange.query('begin');
    await exchange.query(`select from agents where id = 'reader' and enabled for key share`);
    const disabling = apply(
      document({ agents: [agent('reader', 1, { enabled: false }), agent('writer', 2)] }),
    );
    await test.waiting(1);
    expect((await loadRegistry(test.database)).revision).toBe(1);
    await exchange.query('commit');
    expect(await disabling).toMatchObject({ revision: 2, applied: true });
  });

  it.each([
    ['its agent was disabled', document({ agents: [agent('reader', 1, { enabled: false })] })],
    ['its ceiling was lowered', document({ agents: [agent('reader', 1, { access: [] })] })],
    [
      'its API was closed',
      document({
        agents: [agent('reader', 1)],
        resources: [resource('api://knowledge.prod', { enabled: false })],
      }),
    ],
  ])('makes an exchange that waited find nothing after %s', async (_, next) => {
    await apply(document());
    const [holder, exchange] = [await test.connect(), await test.connect()];
    await holder.query('begin');
    // Agents are locked in order: the reader is taken by then, and the writer is waited for.
    await holder.query(`select from agents where id = 'writer' for key share`);
    const applying = apply(next);
    await test.waiting(1);
    const waited = exchange.query(
      `select a.id from agents a, in_force f
       where a.id = 'reader' and a.enabled and a.revision <= $1 and f.registry_revision = $1 for key share of a`,
      [1],
    );
    await test.waiting(2);
    await holder.query('commit');
    expect((await applying).revision).toBe(2);
    expect((await waited).rows).toEqual([]);
  });
});

describe('applying to an empty database at the start', () => {
  it('does so once, however many replicas start', async () => {
    const started = await Promise.all(
      ['A', 'B', 'C'].map((name) => applyIfEmpty(test.database, named(name), NOTE)),
    );
    expect(started.filter((result) => result !== null)).toEqual([
      expect.objectContaining({ revision: 1, applied: true }),
    ]);
  });

  it('never touches a newer revision', async () => {
    await apply(named('Reader'));
    const before = await test.everything();
    expect(await applyIfEmpty(test.database, document({ agents: [agent('author', 2)] }), NOTE)).toBeNull();
    expect(await test.everything()).toBe(before);
  });
});
