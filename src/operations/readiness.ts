/** What must hold for a broker to take exchanges: without any of it, nothing is issued. */
import type { Database } from '../storage/database.ts';
import type { Check } from './operations-handler.ts';

export type ReadinessParts = {
  readonly database: Database;
  /** The revision in force as this replica knows it; null if it has none. */
  readonly policyRevision: () => string | null;
  readonly hasRegistry: () => boolean;
};

/** Looks now; each check has its problem, null if it holds. */
export const readinessChecks = async (parts: ReadinessParts): Promise<Check[]> => [
  {
    name: 'database',
    problem: await parts.database.query({ name: 'ping', text: 'select 1' }, []).then(
      () => null,
      () => 'the database does not answer',
    ),
  },
  { name: 'policy', problem: parts.policyRevision() === null ? 'no policy is loaded' : null },
  { name: 'registry', problem: parts.hasRegistry() ? null : 'no registry is loaded' },
];
