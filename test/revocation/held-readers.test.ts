/** Who is held at the feed where more want to be than may. */
import { expect, it } from 'vitest';
import { openHeldReaders } from '../../src/revocation/held-readers.ts';

const never = new AbortController().signal;

it('the address that holds most gives way, the longest held first, to an address that holds less', async () => {
  const held = openHeldReaders(3);
  const answered: string[] = [];
  const hold = async (name: string, from: string): Promise<boolean> => {
    const wasHeld = await held.hold({ waitMs: 60_000, signal: never, from });
    answered.push(name);
    return wasHeld;
  };
  const crowd = ['first', 'second', 'third'].map((name) => hold(name, '192.0.2.1'));
  const api = hold('api', '192.0.2.2');
  expect(await crowd[0]).toBe(true);
  expect(await hold('late', '192.0.2.1')).toBe(false);
  expect(await hold('another API of the same', '192.0.2.2')).toBe(false);
  expect(answered).toEqual(['first', 'late', 'another API of the same']);
  held.answerAll();
  await Promise.all([...crowd, api]);
  expect(answered).toHaveLength(6);
});

it('a place is free again when its reader is answered, or has gone', async () => {
  const held = openHeldReaders(1);
  expect(await held.hold({ waitMs: 1, signal: never, from: 'a' })).toBe(true);
  const gone = new AbortController();
  const left = held.hold({ waitMs: 60_000, signal: gone.signal, from: 'a' });
  expect(await held.hold({ waitMs: 1, signal: never, from: 'a' })).toBe(false);
  gone.abort();
  expect(await left).toBe(true);
  expect(await held.hold({ waitMs: 1, signal: never, from: 'b' })).toBe(true);
});
