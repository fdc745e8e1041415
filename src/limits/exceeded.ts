/** A limit that was reached, and how a client is told (draft-ietf-httpapi-ratelimit-headers-11, RFC 6585 section 4). */
import type { LimitName } from './settings.ts';

export type Exceeded = {
  readonly limit: LimitName;
  /** How many are allowed. */
  readonly quota: number;
  /** Within so many seconds; null: at a time. */
  readonly windowSeconds: number | null;
  /** When to come back, whole seconds, at least 1. */
  readonly retryAfterSeconds: number;
};

const DESCRIPTIONS: Readonly<Record<LimitName, string>> = {
  address: 'too many assertions from this address were not accepted',
  exchange: 'this agent exchanges too often',
  miss: 'too many requests of this agent were refused',
  poll: 'this agent repeats its pending requests too often',
  audience: 'tokens for this API are asked for too often',
  report: 'this API reports too many uses',
  introspection: 'this API asks about too many tokens',
  vote: 'too many votes',
  sign_in: 'too many sign-ins were begun from this address',
  open: 'too many requests of this agent wait for approval: repeat one of them, or wait until it is decided',
};

/** What happened, and what to do. */
export const descriptionOf = ({ limit, retryAfterSeconds }: Exceeded): string =>
  `${DESCRIPTIONS[limit]}; come back in ${retryAfterSeconds} seconds`;

/** The headers of a 429. A limit on what is there at a time has no window. */
export const exceededHeaders = (exceeded: Exceeded): Readonly<Record<string, string>> => {
  const { limit, quota, windowSeconds, retryAfterSeconds } = exceeded;
  const isWindowed = windowSeconds !== null;
  return {
    'Retry-After': String(retryAfterSeconds),
    'RateLimit-Policy': `"${limit}";q=${quota}${isWindowed ? `;w=${windowSeconds}` : ''}`,
    RateLimit: `"${limit}";r=0${isWindowed ? `;t=${retryAfterSeconds}` : ''}`,
  };
};
