/** The database as it is found: nothing is started, migrated or changed. What is in force in it is read, and shown to work. */
import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { TrustedTenant } from '../identity/trusted-tenants.ts';
import { readBundle } from '../policy/bundle.ts';
import { testBundle } from '../policy/self-test.ts';
import { loadRegistry } from '../registry/load-registry.ts';
import { loadActiveBundle } from '../registry/policy-revisions.ts';
import type { Registry } from '../registry/registry.ts';
import { type Database, openDatabase } from '../storage/database.ts';
import { joinEmbedded } from '../storage/embedded.ts';
import { isMigrated } from '../storage/migrate.ts';
import type { StorageSettings } from '../storage/open-storage.ts';
import { findWeaknesses } from '../storage/privileges.ts';
import { checkClock } from './check-clock.ts';
import { type Finding, type Findings, failureWords } from './finding.ts';

export type CheckedStorage = {
  readonly findings: Findings;
  /** The registry in force; null if it cannot be read or there is none. */
  readonly registry: Registry | null;
};

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const databaseClock = async ({ db }: Database, clock: () => Date): Promise<Finding> => {
  const sent = clock().getTime();
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  const at = new Date((sent + clock().getTime()) / 2);
  return checkClock('the clock of the database', rows[0]?.now ?? new Date(0), at);
};

/** Counts what is there, and names agents that no trusted tenant could ever vouch for. */
export const describeRegistry = (registry: Registry, tenants: readonly TrustedTenant[]): Findings => {
  const check = 'registry';
  const agents = [...registry.agents.values()];
  const enabled = agents.filter((agent) => agent.enabled).length;
  const trusted = new Set(tenants.map(({ tenantId }) => tenantId));
  return [
    {
      check,
      status: enabled === 0 ? 'warning' : 'ok',
      message: `revision ${registry.revision}: ${many(agents.length, 'agent')}, ${enabled} of them enabled, ${many(registry.resources.size, 'API')}`,
    },
    ...agents
      .filter((agent) => agent.enabled && !trusted.has(agent.workload.tenant))
      .map(
        (agent): Finding => ({
          check,
          status: 'problem',
          message: `${agent.id} is registered in the tenant ${agent.workload.tenant}, which COUNTERSIGN_ENTRA does not list`,
          advice: 'List the tenant, or correct workload.tenant of the agent and apply.',
        }),
      ),
  ];
};

const policyFinding = async (database: Database): Promise<Finding> => {
  const check = 'policy';
  const active = await loadActiveBundle(database);
  if (active === null) {
    const advice =
      'Run "countersign policy activate", or name a bundle with COUNTERSIGN_POLICY for the first start.';
    return { check, status: 'problem', message: 'no policy is in force: nothing is permitted', advice };
  }
  const wrong = await readBundle(active.bundle).then(testBundle, (error: unknown) => [failureWords(error)]);
  return wrong.length === 0
    ? { check, status: 'ok', message: `${active.revision} is in force and passes its cases` }
    : {
        check,
        status: 'problem',
        message: `${active.revision} is in force and fails: ${wrong.slice(0, 3).join('; ')}`,
      };
};

const examine = async (
  database: Database,
  { tenants, clock }: Pick<StorageExamination, 'tenants' | 'clock'>,
): Promise<CheckedStorage> => {
  if (!(await isMigrated(database.db))) {
    const message = 'the database lacks migrations of this version';
    return {
      findings: [{ check: 'database', status: 'problem', message, advice: 'Run "countersign migrate".' }],
      registry: null,
    };
  }
  const weaknesses = await findWeaknesses(database.db);
  const registry = await loadRegistry(database);
  const none: Finding = {
    check: 'registry',
    status: 'problem',
    message: 'no registry is in force: no agent is known',
    advice: 'Run "countersign apply", or name files with COUNTERSIGN_REGISTRY for the first start.',
  };
  return {
    findings: [
      { check: 'database', status: 'ok', message: 'the database answers and is migrated' },
      ...weaknesses.map((message): Finding => ({ check: 'database', status: 'warning', message })),
      await databaseClock(database, clock),
      ...(registry.revision === 0 ? [none] : describeRegistry(registry, tenants)),
      await policyFinding(database),
    ],
    registry: registry.revision === 0 ? null : registry,
  };
};

export type StorageExamination = {
  readonly settings: StorageSettings;
  readonly tenants: readonly TrustedTenant[];
  readonly clock: () => Date;
  readonly logger: Logger;
};

const dsnOf = async (settings: StorageSettings): Promise<string | null> =>
  settings.kind === 'postgres'
    ? settings.dsn
    : ((await joinEmbedded(settings.directory))?.applicationDsn ?? null);

/** Looks at the database and at the registry and policy in force. */
export const checkStorage = async (examination: StorageExamination): Promise<CheckedStorage> => {
  const check = 'database';
  try {
    const dsn = await dsnOf(examination.settings);
    if (dsn === null) {
      const message =
        'the embedded database is not running: it, the registry and the policy were not looked at';
      return {
        findings: [
          {
            check,
            status: 'warning',
            message,
            advice: 'Start the broker ("countersign serve", or "npm start" for the lab), then ask again.',
          },
        ],
        registry: null,
      };
    }
    const database = await openDatabase({ dsn, logger: examination.logger });
    try {
      return await examine(database, examination);
    } finally {
      await database.close();
    }
  } catch (error) {
    const advice = 'Compare COUNTERSIGN_DATABASE, and whether the database runs and lets this machine in.';
    const message = `the database cannot be used: ${failureWords(error)}`;
    return { findings: [{ check, status: 'problem', message, advice }], registry: null };
  }
};
