/** The wall clock, read at the edges and passed in. Expiry is the database's to decide, never this one's. */
export type Clock = () => Date;

export const systemClock: Clock = () => new Date();
