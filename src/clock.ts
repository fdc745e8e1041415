/** The wall clock, read at the edges and passed in. Expiry is the database's to decide, never this one's. */
export type Clock = () => Date;

export const systemClock: Clock = () => new Date();

/**
 * How far this machine's clock and another one may be apart, seconds: as far as assertions may be ahead of us. Beyond it
 * what is over would be good again here, or what is good be over.
 */
export const CLOCKS_APART_MAX_SECONDS = 30;

/** Whole seconds between two clocks that were read at one moment. */
export const secondsApart = (one: Date, other: Date): number =>
  Math.round(Math.abs(one.getTime() - other.getTime()) / 1000);
