/**
 * Counts per key in the memory of this process, in windows of one length that begin with a key's first count. Bounded:
 * with too many keys the window that began first is forgotten. No timers: the map is in the order of the windows'
 * beginnings, so what is over is at its front.
 */
type Window = { count: number; readonly endsAt: number };

export type Windows = {
  /** Counts one more, or `cost`, unless there are `max` already. Milliseconds until the window ends if so, else null. */
  readonly take: (key: string, max: number, cost?: number) => number | null;
  /** Milliseconds until the window ends if it has `max`, else null. Counts nothing. */
  readonly look: (key: string, max: number) => number | null;
  /** Counts one less; a window that was filled from outside is forgotten. */
  readonly giveBack: (key: string) => void;
  /** Fills the window of a key, for at most the length of a window. */
  readonly fill: (key: string, milliseconds: number) => void;
  readonly size: () => number;
};

/** `now`: milliseconds of a clock that never goes back. */
export const openWindows = ({
  milliseconds,
  keysMax,
  now,
}: {
  readonly milliseconds: number;
  readonly keysMax: number;
  readonly now: () => number;
}): Windows => {
  const windows = new Map<string, Window>();

  const begin = (key: string, window: Window, at: number): void => {
    windows.delete(key);
    windows.set(key, window);
    for (const [oldest, { endsAt }] of windows) {
      if (windows.size <= keysMax && endsAt > at) return;
      windows.delete(oldest);
    }
  };
  const find = (key: string, at: number): Window | undefined => {
    const window = windows.get(key);
    return window === undefined || window.endsAt <= at ? undefined : window;
  };
  const look = (key: string, max: number): number | null => {
    const at = now();
    const window = find(key, at);
    return window === undefined || window.count < max ? null : window.endsAt - at;
  };

  return {
    look,
    take: (key, max, cost = 1) => {
      const at = now();
      const window = find(key, at);
      if (window === undefined) begin(key, { count: cost, endsAt: at + milliseconds }, at);
      else if (window.count >= max) return window.endsAt - at;
      else window.count += cost;
      return null;
    },
    giveBack: (key) => {
      const window = windows.get(key);
      if (window === undefined) return;
      window.count -= 1;
      if (window.count <= 0 || window.count === Number.POSITIVE_INFINITY) windows.delete(key);
    },
    fill: (key, left) => {
      const at = now();
      const endsAt = at + (left > 0 && left < milliseconds ? left : milliseconds);
      begin(key, { count: Number.POSITIVE_INFINITY, endsAt }, at);
    },
    size: () => windows.size,
  };
};
