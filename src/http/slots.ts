/**
 * A bounded number of pieces of work under way, so that a flood of one kind leaves the processor, the database's
 * connections and the memory to the others. What is beyond is refused at once: a client that is told to come back in a
 * second is better served than one that waits in a line too long to end in time.
 */

/** Nothing was done: 503, and there is room again as soon as some of what is under way has ended. */
export class TooMuchUnderWay extends Error {
  readonly retryAfterSeconds = 1;

  constructor() {
    super('too much is under way; try the same request again');
    this.name = 'TooMuchUnderWay';
  }
}

/**
 * Waits outside of the place that the work holds, for what costs nothing meanwhile, and takes a place again. Throws
 * `TooMuchUnderWay` where there is none: many who were let wait and come back at once are a flood like any other. So
 * work pauses only where it has done nothing yet that is not found again by the same request.
 */
export type Pause = <T>(waiting: Promise<T>) => Promise<T>;

/** The result of the work. Throws `TooMuchUnderWay` at once where there is no room for it. */
export type Slots = <Result>(work: (pause: Pause) => Promise<Result>) => Promise<Result>;

/**
 * How much of each class may be under way. What is answered from memory in one go (metadata, keys, style sheets) is in
 * none: there is never more than one of it. Whoever is held for news counts where it is held, see `Pause`.
 */
export const SLOTS = {
  /**
   * A quarter of a second's work of one processor, so that none waits longer than its client does. A form counts from
   * when it is there: senders who take their time take nobody's place.
   */
  exchanges: 256,
  /** Ten times the connections that pages read with: a page asks a few times, milliseconds each. */
  pages: 32,
  /** Requests with a session that nobody is known to have: they ask the database, and may be anybody's invention. */
  unknownSessions: 8,
  /** Transactions on the connections of exchanges, of which some stay free. */
  reports: 6,
  /** Those of one moment share a statement of a few milliseconds (`src/access/find-live-token.ts`). */
  introspections: 64,
  /** As reports. */
  revocations: 6,
} as const;

/** Room for `max`; `observeFull` counts what is refused. */
export const openSlots = (max: number, observeFull: () => void = () => undefined): Slots => {
  let underWay = 0;
  return async (work) => {
    let holds = false;
    const take = (): void => {
      if (underWay >= max) {
        observeFull();
        throw new TooMuchUnderWay();
      }
      underWay += 1;
      holds = true;
    };
    const leave = (): void => {
      if (holds) underWay -= 1;
      holds = false;
    };
    const pause: Pause = async (waiting) => {
      leave();
      const result = await waiting;
      take();
      return result;
    };
    take();
    try {
      return await work(pause);
    } finally {
      leave();
    }
  };
};
