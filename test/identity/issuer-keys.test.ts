import { describe, expect, it } from 'vitest';
import { KeysUnavailable } from '../../src/identity/keys-unavailable.ts';
import { issuer } from './fake-issuer.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Lets a fetch in the background come to its end: nothing in it takes time. */
const background = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const outcomeOf = (found: Promise<unknown>): Promise<unknown> =>
  found.catch((error: unknown) => (error instanceof KeysUnavailable ? 'unavailable' : error));

describe("an issuer's keys", () => {
  it('are fetched once, when the first is asked for, whoever else asks meanwhile (L6)', async () => {
    const { world, find } = issuer('a', 'b');
    expect(world.fetches).toBe(0);
    const found = await Promise.all(Array.from({ length: 200 }, (_, i) => find(i % 2 ? 'a' : 'b')));
    expect(found.every((key) => key === 'foreign')).toBe(true);
    expect(world.fetches).toBe(1);
  });

  it('are used for eight minutes without another fetch, then fetched again while nobody waits', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    advance(8 * MINUTE);
    await find('a');
    expect(world.fetches).toBe(1);
    advance(1);
    world.hanging = new Promise(() => undefined);
    expect(await Promise.all([find('a'), find('a'), find('a')])).toEqual(['foreign', 'foreign', 'foreign']);
    expect(world.fetches).toBe(2);
  });

  it('are replaced as a whole: a withdrawn key is refused after the next fetch (T62)', async () => {
    const { world, find, advance } = issuer('a', 'withdrawn');
    await find('withdrawn');
    world.published = ['a'];
    advance(8 * MINUTE + 1);
    await find('a');
    await background();
    expect(await find('withdrawn')).toBe('unknown');
  });
});

describe('an unknown key name', () => {
  it('is found by one forced fetch when it is new, though 200 ask at once (T63)', async () => {
    const { world, find } = issuer('a');
    await find('a');
    world.published = ['a', 'new'];
    const found = await Promise.all(Array.from({ length: 200 }, () => find('new')));
    expect(new Set(found)).toEqual(new Set(['foreign']));
    expect(world.fetches).toBe(2);
  });

  it('causes at most one fetch in 30 seconds, a thousand names or not (T58)', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    for (let step = 0; step < 1_000; step += 1) {
      expect(await outcomeOf(find(`invented-${step}`))).toBe(step === 0 ? 'unknown' : 'unavailable');
      expect(await find('a')).toBe('foreign');
      advance(10);
    }
    expect(world.fetches).toBe(2);
    advance(20 * SECOND);
    await find('invented');
    expect(world.fetches).toBe(3);
    expect(await find('a')).toBe('foreign');
  });

  it('is no verdict while it may not be looked for: one invented name a pause does not refuse the next key (T63)', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    expect(await find('invented')).toBe('unknown');
    world.published = ['a', 'new'];
    advance(SECOND);
    const error = await find('new').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ retryAfterSeconds: 29, othersKnown: true });
    expect(await find('invented')).toBe('unknown');
    advance(29 * SECOND);
    expect(await find('new')).toBe('foreign');
    expect(world.fetches).toBe(3);
  });

  it('that was looked for in vain is not looked for again for a minute', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    await find('in-vain');
    advance(30 * SECOND);
    expect(await find('in-vain')).toBe('unknown');
    expect(world.fetches).toBe(2);
    world.published = ['a', 'new'];
    expect(await find('new')).toBe('foreign');
    advance(30 * SECOND);
    await find('in-vain');
    expect(world.fetches).toBe(4);
  });

  it('is one of at most a thousand that are remembered', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    await Promise.all(Array.from({ length: 1_001 }, (_, i) => find(`invented-${i}`)));
    advance(31 * SECOND);
    await find('invented-1000');
    expect(world.fetches).toBe(2);
    await find('invented-0');
    expect(world.fetches).toBe(3);
  });
});

describe('an outage of the issuer', () => {
  it('does not touch good assertions, whatever names are invented meanwhile (T59)', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    world.down = true;
    advance(11 * MINUTE);
    const began = world.fetches;
    for (let step = 0; step < 6_000; step += 1) {
      if (step % 10 === 0) expect(await find('a')).toBe('foreign');
      expect(await outcomeOf(find(`invented-${step}`))).toBe('unavailable');
      await background();
      advance(10);
    }
    // A minute of it: at 0, 1, 3, 7, 15 and 31 seconds.
    expect(world.fetches - began).toBe(6);
  });

  it('backs off to a minute, no further', async () => {
    const { world, find, advance } = issuer('a');
    world.down = true;
    for (let minute = 0; minute < 60; minute += 1) {
      await outcomeOf(find('a'));
      advance(MINUTE);
    }
    expect(world.fetches).toBe(60);
    await outcomeOf(find('a'));
    const error = await find('a').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KeysUnavailable);
    expect(error).toHaveProperty('retryAfterSeconds', 60);
  });

  it('lasts four hours without harm to known keys; an unknown one cannot be told (T60)', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    world.down = true;
    advance(4 * HOUR);
    expect(await find('a')).toBe('foreign');
    await background();
    expect(await outcomeOf(find('new'))).toBe('unavailable');
    expect(world.logged.map(({ event }) => event)).toContain('jwks.stale');
  });

  it('of more than a day ends the use of known keys (T60)', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    world.down = true;
    advance(24 * HOUR);
    expect(await find('a')).toBe('foreign');
    await background();
    advance(1);
    expect(await outcomeOf(find('a'))).toBe('unavailable');
    advance(MINUTE);
    expect(await outcomeOf(find('a'))).toBe('unavailable');
    world.down = false;
    advance(MINUTE);
    expect(await find('a')).toBe('foreign');
  });

  it('at the very start is an outage for everyone, and over with the first good answer', async () => {
    const { world, find, advance } = issuer('a');
    world.down = true;
    const all = await Promise.all(Array.from({ length: 50 }, () => outcomeOf(find('a'))));
    expect(new Set(all)).toEqual(new Set(['unavailable']));
    expect(world.fetches).toBe(1);
    world.down = false;
    expect(await outcomeOf(find('a'))).toBe('unavailable');
    advance(SECOND);
    expect(await find('a')).toBe('foreign');
  });

  it('that hangs makes nobody wait but those who came first (T59)', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    world.down = true;
    await outcomeOf(find('x'));
    advance(SECOND);
    world.hanging = new Promise(() => undefined);
    void outcomeOf(find('y'));
    expect(await outcomeOf(find('z'))).toBe('unavailable');
    expect(await find('a')).toBe('foreign');
  });

  it('is over within a minute of its end, new keys included (D10)', async () => {
    const { world, find, advance } = issuer('a');
    await find('a');
    world.down = true;
    for (let minute = 0; minute < 15; minute += 1) {
      advance(MINUTE);
      await outcomeOf(find('new'));
    }
    world.down = false;
    world.published = ['new'];
    advance(MINUTE);
    expect(await find('new')).toBe('foreign');
    expect(await outcomeOf(find('a'))).toBe('unavailable');
    advance(30 * SECOND);
    expect(await find('a')).toBe('unknown');
  });
});

it('a clock set back neither keeps old keys fresh nor prolongs a pause (D13)', async () => {
  const { world, find, advance } = issuer('a');
  await find('a');
  advance(-HOUR);
  await find('a');
  await background();
  expect(world.fetches).toBe(2);
  world.down = true;
  await outcomeOf(find('new'));
  world.down = false;
  advance(-HOUR);
  world.published = ['a', 'new'];
  expect(await find('new')).toBe('foreign');
});
