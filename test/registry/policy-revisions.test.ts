import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  activateIfNone,
  activatePolicy,
  loadActiveBundle,
  storeBundle,
} from '../../src/registry/policy-revisions.ts';
import { openTestDatabase } from './database.ts';

const NOTE = { reason: 'Ask for approval of exports', appliedBy: 'test' };
const bundle = (text: string): Uint8Array => new TextEncoder().encode(text);

let test: Awaited<ReturnType<typeof openTestDatabase>>;
beforeEach(async () => {
  test = await openTestDatabase();
});
afterEach(() => test.end());

const activate = (revision: string, text = revision) =>
  activatePolicy(test.database, bundle(text), revision, NOTE);

const active = async (): Promise<string | undefined> => {
  const loaded = await loadActiveBundle(test.database);
  return loaded ? `${loaded.revision}: ${new TextDecoder().decode(loaded.bundle)}` : undefined;
};

describe('activating a policy', () => {
  it('puts its bundle in force, byte for byte, and tells it', async () => {
    expect(await active()).toBeUndefined();
    expect(await activate('one', '\u0000ÿ')).toEqual({ revision: 'one', previous: null, activated: true });
    expect(await active()).toBe('one: \u0000ÿ');
    expect(await test.events('policy.activated')).toEqual([
      expect.objectContaining({
        policy_revision: 'one',
        previous_revision: null,
        bundle_digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        reason: 'Ask for approval of exports',
        applied_by: 'test',
      }),
    ]);
  });

  it('writes nothing for the one in force', async () => {
    await activate('one');
    const before = await test.everything();
    expect(await activate('one')).toEqual({ revision: 'one', previous: 'one', activated: false });
    expect(await test.everything()).toBe(before);
  });

  it('keeps every bundle and goes back to an earlier one', async () => {
    await activate('one');
    await activate('two');
    expect(await activate('one')).toEqual({ revision: 'one', previous: 'two', activated: true });
    expect(await active()).toBe('one: one');
    const stored = await test.database.db
      .selectFrom('policy_revisions')
      .select('revision')
      .orderBy('revision')
      .execute();
    expect(stored.map(({ revision }) => revision)).toEqual(['one', 'two']);
    expect((await test.events('policy.activated')).map((event) => event.previous_revision)).toEqual([
      null,
      'one',
      'two',
    ]);
  });

  it('refuses other bytes under a revision that is taken', async () => {
    await activate('one');
    await activate('two');
    const before = await test.everything();
    await expect(activate('one', 'other')).rejects.toThrow(/has the revision one already/);
    await expect(storeBundle(test.database.db, bundle('other'), 'two')).rejects.toThrow(
      /has the revision two already/,
    );
    expect(await test.everything()).toBe(before);
  });

  it('changes nothing at all if its event cannot be written', async () => {
    await activate('one');
    const owner = await test.connect('owner');
    await owner.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise 'full'; end $$`,
    );
    await owner.query('create trigger refuse before insert on audit_events execute function refuse()');
    const before = await test.everything();
    await expect(activate('two')).rejects.toThrow();
    expect(await test.everything()).toBe(before);
  });

  it('tells of each predecessor when several are activated at once', async () => {
    const revisions = ['a', 'b', 'c', 'd'];
    await Promise.all(revisions.map((revision) => activate(revision)));
    const events = await test.events('policy.activated');
    expect(events.map((event) => event.previous_revision)).toEqual([
      null,
      ...events.slice(0, -1).map((event) => event.policy_revision),
    ]);
    expect(await active()).toContain(String(events.at(-1)?.policy_revision));
  });
});

describe('activating a policy at the start', () => {
  it('does so where there is none, once, however many replicas start', async () => {
    const started = await Promise.all(
      ['a', 'b', 'c'].map((revision) => activateIfNone(test.database, bundle(revision), revision, NOTE)),
    );
    expect(started.filter((result) => result?.activated)).toHaveLength(1);
    expect(started.filter((result) => result === null)).toHaveLength(2);
    expect(await test.events('policy.activated')).toHaveLength(1);
  });
});
