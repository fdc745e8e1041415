/** Small labels: each says its meaning in words, the colour only repeats it. */
import type { JSX } from 'preact';
import { ago, until, utc } from './words.ts';

export type Environment = 'dev' | 'test' | 'prod';
export type Sensitivity = 'low' | 'moderate' | 'high' | 'critical';

export const EnvironmentBadge = ({ environment }: { environment: Environment }): JSX.Element => (
  <span class={`badge environment-${environment}`}>{environment}</span>
);

export const SensitivityBadge = ({ sensitivity }: { sensitivity: Sensitivity }): JSX.Element => (
  <span class={`badge sensitivity-${sensitivity}`}>{sensitivity} sensitivity</span>
);

const STATES = {
  pending: 'Waiting for approval',
  approved: 'Approved',
  denied: 'Denied',
  expired: 'Expired undecided',
  cancelled: 'Cancelled',
  permitted: 'Permitted by policy',
} as const;

export type RequestState = keyof typeof STATES;

export const StateBadge = ({ state }: { state: RequestState }): JSX.Element => (
  <span class={`badge state-${state}`}>{STATES[state]}</span>
);

/** A time as its distance from now, the exact time on hover and for machines. */
export const Moment = ({ time, now }: { time: Date; now: Date }): JSX.Element => (
  <time dateTime={time.toISOString()} title={utc(time)}>
    {time > now ? until(time, now) : ago(time, now)}
  </time>
);

/** A time in full. */
export const ExactTime = ({ time }: { time: Date }): JSX.Element => (
  <time dateTime={time.toISOString()}>{utc(time)}</time>
);
