/**
 * A bounded number of pieces of work under way, so that a flood of one kind leaves the processor, the database's
 * connections and the memory to the others. What is beyond is refused at once: a client that is told to come back in a
 * second is better served than one that waits in a line too long to end in time.
 */

/**
 * Waits outside of the place that the work holds, for what costs nothing meanwhile. It comes back whether there is room
 * or not: whoever waits was let in before, and those who wait are bounded by whoever lets them.
 */
export type Pause = <T>(waiting: Promise<T>) => Promise<T>;

/** Runs the work and answers true, or answers false at once where too much is under way. */
export type Slots = (work: (pause: Pause) => Promise<void>) => Promise<boolean>;

export const openSlots = (max: number): Slots => {
  let underWay = 0;
  const pause: Pause = async (waiting) => {
    underWay -= 1;
    try {
      return await waiting;
    } finally {
      underWay += 1;
    }
  };
  return async (work) => {
    if (underWay >= max) return false;
    underWay += 1;
    try {
      await work(pause);
    } finally {
      underWay -= 1;
    }
    return true;
  };
};
