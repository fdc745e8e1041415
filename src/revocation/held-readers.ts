/**
 * Readers that are held until there is news, a bounded number of them. Anybody may be one: where all places are taken, the
 * address that has most gives one up to another that has less, so that a stranger's crowd pushes no API out.
 */

/** How long a reader wants to be held, and by which address it counts. */
export type Hold = { readonly waitMs: number; readonly signal: AbortSignal; readonly from: string };

export type HeldReaders = {
  /** Resolves when the reader is to be answered; false, at once, where there is no place for it. */
  readonly hold: (hold: Hold) => Promise<boolean>;
  readonly answerAll: () => void;
};

type Reader = { readonly answer: () => void };

export const openHeldReaders = (max: number): HeldReaders => {
  /** By address, whoever is held longest first. */
  const held = new Map<string, Set<Reader>>();
  let size = 0;

  const release = (from: string, reader: Reader): void => {
    const readers = held.get(from);
    if (!readers?.delete(reader)) return;
    size -= 1;
    if (readers.size === 0) held.delete(from);
    reader.answer();
  };
  const hasRoom = (from: string): boolean => {
    if (size < max) return true;
    let most: readonly [string, ReadonlySet<Reader>] | undefined;
    for (const place of held) if (place[1].size > (most?.[1].size ?? 0)) most = place;
    if (most === undefined || most[1].size <= (held.get(from)?.size ?? 0) + 1) return false;
    const [longest] = most[1];
    if (longest !== undefined) release(most[0], longest);
    return true;
  };

  return {
    hold: async ({ waitMs, signal, from }) => {
      if (!hasRoom(from)) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      const reader = { answer: resolve };
      held.set(from, (held.get(from) ?? new Set()).add(reader));
      size += 1;
      const patience = setTimeout(() => release(from, reader), waitMs);
      signal.addEventListener('abort', () => release(from, reader), { once: true });
      await promise;
      clearTimeout(patience);
      return true;
    },
    answerAll: () => {
      for (const [from, readers] of held) for (const reader of readers) release(from, reader);
    },
  };
};
