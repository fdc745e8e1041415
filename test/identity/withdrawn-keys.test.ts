/** A key that its issuer withdrew while nobody asked for any. */
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createIssuerKeys } from '../../src/identity/issuer-keys.ts';
import type { KeySet, PublishedKey } from '../../src/identity/parse-key-set.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const issuer = (...names: string[]) => {
  const world = { published: names, down: false, hanging: null as Promise<void> | null, now: 0, fetches: 0 };
  const load = async (): Promise<KeySet> => {
    world.fetches += 1;
    await world.hanging;
    if (world.down) throw new Error('answered with status 500');
    return {
      keys: new Map(world.published.map((name): [string, PublishedKey] => [name, 'foreign'])),
      refused: [],
    };
  };
  const clock = () => new Date(world.now);
  const { find } = createIssuerKeys({ issuer: 'the issuer', load, clock, logger: pino({ level: 'silent' }) });
  return { world, find };
};

describe('keys nobody asked for in a while', () => {
  it.each([
    ['ten minutes and a moment', 10 * MINUTE + 1],
    ['16 minutes', 16 * MINUTE],
    ['23 hours', 23 * HOUR],
  ])(
    'are fetched again before one is believed, after %s: a withdrawn one is refused (T62)',
    async (_, idle) => {
      const { world, find } = issuer('a', 'withdrawn');
      await find('withdrawn');
      world.published = ['a'];
      world.now += idle;
      const found = await Promise.all(Array.from({ length: 200 }, () => find('withdrawn')));
      expect(new Set(found)).toEqual(new Set(['unknown']));
      expect(await find('a')).toBe('foreign');
      expect(world.fetches).toBe(2);
    },
  );

  it('are believed for ten minutes at most after a withdrawal, however seldom somebody asks (T62)', async () => {
    for (const idle of [8 * MINUTE + 1, 9 * MINUTE, 10 * MINUTE, 10 * MINUTE + 1]) {
      const { world, find } = issuer('a', 'withdrawn');
      await find('withdrawn');
      world.published = ['a'];
      world.now += idle;
      const believed = (await find('withdrawn')) === 'foreign';
      expect([idle, believed]).toEqual([idle, idle <= 10 * MINUTE]);
    }
  });

  it('make nobody wait for a fetch where they are in use', async () => {
    const { world, find } = issuer('a');
    await find('a');
    for (let second = 0; second < 3_600; second += 1) {
      world.now += 1_000;
      let waits = true;
      const found = find('a').then((key) => {
        waits = false;
        return key;
      });
      await Promise.resolve();
      await Promise.resolve();
      expect([second, waits]).toEqual([second, false]);
      expect(await found).toBe('foreign');
    }
    expect(world.fetches).toBeGreaterThan(6);
  });

  it('are believed when the issuer is away, and nobody waits for it a second time', async () => {
    const { world, find } = issuer('a');
    await find('a');
    world.down = true;
    world.now += HOUR;
    expect(await find('a')).toBe('foreign');
    world.now += MINUTE;
    world.hanging = new Promise(() => undefined);
    expect(await find('a')).toBe('foreign');
    expect(world.fetches).toBe(3);
  });
});
