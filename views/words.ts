/** Times, durations and lists as people read them. Pure: the caller says what time it is. */

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** "1 token", "2 tokens". */
export const count = (value: number, unit: string): string => `${value} ${unit}${value === 1 ? '' : 's'}`;

/** Seconds in words, exact, in at most as many units as it takes: "1 hour 30 minutes". */
export const duration = (seconds: number): string => {
  let rest = Math.max(0, Math.round(seconds));
  const words: string[] = [];
  for (const [unit, size] of UNITS) {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    if (whole > 0) words.push(count(whole, unit));
  }
  return words.length === 0 ? '0 seconds' : words.join(' ');
};

/** The largest unit alone, rounded down: "27 minutes". Below a minute only "less than a minute". */
export const roughly = (seconds: number): string => {
  for (const [unit, size] of UNITS.slice(0, 3)) {
    if (seconds >= size) return count(Math.floor(seconds / size), unit);
  }
  return 'less than a minute';
};

const secondsBetween = (from: Date, to: Date): number => (to.getTime() - from.getTime()) / 1000;

/** "3 minutes ago", "just now". */
export const ago = (then: Date, now: Date): string => {
  const seconds = secondsBetween(then, now);
  return seconds < 60 ? 'just now' : `${roughly(seconds)} ago`;
};

/** "in 27 minutes". */
export const until = (then: Date, now: Date): string => `in ${roughly(secondsBetween(now, then))}`;

/** "2026-01-31 12:00:05 UTC". */
export const utc = (time: Date): string => `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** A gap in a trace: "+12 ms", "+1.25 s", "+3 minutes 5 seconds". */
export const gap = (milliseconds: number): string => {
  if (milliseconds < 1_000) return `+${Math.max(0, Math.round(milliseconds))} ms`;
  if (milliseconds < 60_000) return `+${(milliseconds / 1_000).toFixed(2)} s`;
  return `+${duration(milliseconds / 1_000)}`;
};

/** "a", "a and b", "a, b and c". */
export const list = (words: readonly string[], joint = 'and'): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${joint} ${words.at(-1)}`;
