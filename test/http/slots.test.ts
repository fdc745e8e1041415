import { describe, expect, it } from 'vitest';
import { openSlots, withinSlots } from '../../src/http/slots.ts';

describe('work under way', () => {
  it('is bounded: what is beyond is refused at once, and there is room again when some of it ends', async () => {
    const take = openSlots(2);
    const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = take(() => ends[0]?.promise ?? Promise.resolve());
    const second = take(() => ends[1]?.promise ?? Promise.resolve());
    let ran = false;
    const work = async (): Promise<void> => {
      ran = true;
    };
    expect(await take(work)).toBe(false);
    expect(ran).toBe(false);
    ends[0]?.resolve();
    expect(await first).toBe(true);
    expect(await take(work)).toBe(true);
    expect(ran).toBe(true);
    ends[1]?.resolve();
    expect(await second).toBe(true);
  });

  it('gives its room back when it fails', async () => {
    const take = openSlots(1);
    await expect(take(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await take(async () => undefined)).toBe(true);
  });

  it('leaves its room to others while it pauses, and comes back to it whatever they do', async () => {
    const take = openSlots(1);
    const decided = Promise.withResolvers<string>();
    const other = Promise.withResolvers<void>();
    let heard: string | undefined;
    const first = take(async (pause) => {
      heard = await pause(decided.promise);
    });
    const second = take(() => other.promise);
    expect(await take(async () => undefined)).toBe(false);
    decided.resolve('approved');
    expect(await first).toBe(true);
    expect(heard).toBe('approved');
    other.resolve();
    expect(await second).toBe(true);
    expect(await take(async () => undefined)).toBe(true);
  });
});

describe('work within slots', () => {
  it('gives its result, or throws what says when to come back', async () => {
    let refused = 0;
    const slots = openSlots(1, () => {
      refused += 1;
    });
    const released = Promise.withResolvers<string>();
    const first = withinSlots(slots, () => released.promise);
    await expect(withinSlots(slots, async () => 'second')).rejects.toMatchObject({ retryAfterSeconds: 1 });
    expect(refused).toBe(1);
    released.resolve('first');
    expect(await first).toBe('first');
    await expect(withinSlots(slots, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await withinSlots(slots, async () => undefined)).toBe(undefined);
    expect(refused).toBe(1);
  });
});
