/** The days between which somebody looks for decisions, in UTC as every other time of the console that has a date. Pure. */
import type { QueueFilters, QueueModel } from '../../views/queue-page.tsx';

/** PostgreSQL has no year 0000, and reads none of five digits, as the day after the last of 9999 has. */
const DAY = /^(?!0000|9999)\d{4}-\d{2}-\d{2}$/;
const MILLISECONDS_PER_DAY = 86_400_000;

const PROBLEMS = {
  day: 'Not a day such as 2026-01-31.',
  order: 'This is before the first day.',
} as const;

/** JavaScript takes 31 February for a day of March. */
const dayOf = (text: string): Date | null => {
  const day = new Date(`${text}T00:00:00Z`);
  return DAY.test(text) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text) ? day : null;
};

/** From the first instant of the first day to that of the day after the last; null: no end on that side. */
export const decidedBetween = ({
  from,
  to,
}: Pick<QueueFilters, 'from' | 'to'>): {
  readonly from: string | null;
  readonly before: string | null;
  readonly problems: QueueModel['problems'];
} => {
  const first = dayOf(from);
  const last = dayOf(to);
  return {
    from: first?.toISOString() ?? null,
    before: last === null ? null : new Date(last.getTime() + MILLISECONDS_PER_DAY).toISOString(),
    problems: {
      ...(from !== '' && first === null && { from: PROBLEMS.day }),
      ...(to !== '' && last === null && { to: PROBLEMS.day }),
      ...(first !== null && last !== null && last < first && { to: PROBLEMS.order }),
    },
  };
};
