/** An issuer of keys without a network. */
import { pino } from 'pino';
import { createIssuerKeys } from '../../src/identity/issuer-keys.ts';
import type { KeySet, PublishedKey } from '../../src/identity/parse-key-set.ts';

/** What these keys can do is not the question here, only which of them is found. */
const keySet = (names: readonly string[]): KeySet => ({
  keys: new Map(names.map((name): [string, PublishedKey] => [name, 'foreign'])),
  refused: [],
});

/** An issuer whose document, outage and clock are the test's. `fetches` counts connections. */
export const issuer = (...names: string[]) => {
  const world = {
    published: names,
    down: false,
    /** While set, a fetch waits for it. */
    hanging: null as Promise<void> | null,
    now: 1_000_000,
    fetches: 0,
    logged: [] as Record<string, unknown>[],
  };
  const logger = pino({ level: 'warn' }, { write: (line) => void world.logged.push(JSON.parse(line)) });
  const load = async (): Promise<KeySet> => {
    world.fetches += 1;
    const { published } = world;
    await world.hanging;
    if (world.down) throw new Error('answered with status 500');
    return keySet(published);
  };
  const keys = createIssuerKeys({ issuer: 'the issuer', load, clock: () => new Date(world.now), logger });
  const advance = (ms: number): void => {
    world.now += ms;
  };
  return { world, find: keys.find, advance };
};
