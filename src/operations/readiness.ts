/** What must hold for a broker to take exchanges: without any of it, nothing is issued. */
import { CLOCKS_APART_MAX_SECONDS, secondsApart, systemClock } from '../clock.ts';
import type { Database, Statement } from '../storage/database.ts';
import type { Check } from './operations-handler.ts';

export type ReadinessParts = {
  readonly database: Database;
  /** The revision in force as this replica knows it; null if it has none. */
  readonly policyRevision: () => string | null;
  readonly hasRegistry: () => boolean;
};

const LOOK: Statement = { name: 'look-at-clock', text: 'select clock_timestamp() as now' };

const clockProblem = (theirs: Date, ours: Date): string | null => {
  const apart = secondsApart(theirs, ours);
  return apart <= CLOCKS_APART_MAX_SECONDS
    ? null
    : `the clock of this machine and that of the database are ${apart} s apart`;
};

/** Looks now; each check has its problem, null if it holds. Of a database that is away no clock is known. */
export const readinessChecks = async (parts: ReadinessParts): Promise<Check[]> => {
  const rows = await parts.database.query<{ now: Date }>(LOOK, []).catch(() => null);
  const now = rows?.[0]?.now;
  return [
    { name: 'database', problem: rows === null ? 'the database does not answer' : null },
    { name: 'clock', problem: now === undefined ? null : clockProblem(now, systemClock()) },
    { name: 'policy', problem: parts.policyRevision() === null ? 'no policy is loaded' : null },
    { name: 'registry', problem: parts.hasRegistry() ? null : 'no registry is loaded' },
  ];
};
