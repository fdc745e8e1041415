import { describe, expect, it } from 'vitest';
import { openSlots, TooMuchUnderWay } from '../../src/http/slots.ts';

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
    await expect(take(work)).rejects.toMatchObject({ retryAfterSeconds: 1 });
    expect(ran).toBe(false);
    ends[0]?.resolve();
    await first;
    await take(work);
    expect(ran).toBe(true);
    ends[1]?.resolve();
    await second;
  });

  it('gives its room back when it fails', async () => {
    const take = openSlots(1);
    await expect(take(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await take(async () => 'next')).toBe('next');
  });

  it('leaves its room to others while it pauses, and comes back where there is some', async () => {
    const take = openSlots(1);
    const decided = Promise.withResolvers<string>();
    const other = Promise.withResolvers<void>();
    const first = take((pause) => pause(decided.promise));
    const second = take(() => other.promise);
    await expect(take(async () => undefined)).rejects.toBeInstanceOf(TooMuchUnderWay);
    other.resolve();
    await second;
    decided.resolve('approved');
    expect(await first).toBe('approved');
    expect(await take(async () => 'next')).toBe('next');
  });

  it('does not come back from a pause where there is no room, however many waited (D16)', async () => {
    let refused = 0;
    const take = openSlots(2, () => {
      refused += 1;
    });
    const [gate, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let underWay = 0;
    const crowd = Array.from({ length: 100 }, () =>
      take(async (pause) => {
        await pause(gate.promise);
        underWay += 1;
        await end.promise;
      }),
    );
    gate.resolve();
    await expect.poll(() => refused).toBe(98);
    expect(underWay).toBe(2);
    end.resolve();
    const ended = await Promise.allSettled(crowd);
    expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(ended).toContainEqual({ status: 'rejected', reason: new TooMuchUnderWay() });
    expect(await take(async () => 'next')).toBe('next');
  });

  it('has no more room than before when a pause failed', async () => {
    const take = openSlots(1);
    await expect(take((pause) => pause(Promise.reject(new Error('broken'))))).rejects.toThrow('broken');
    const end = Promise.withResolvers<void>();
    const next = take(() => end.promise);
    await expect(take(async () => undefined)).rejects.toBeInstanceOf(TooMuchUnderWay);
    end.resolve();
    await next;
  });
});
