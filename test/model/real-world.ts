/**
 * The same agents for real: the exchange itself with its policy engine, on a PostgreSQL, behind everything that HTTP
 * and Entra are about. Each sequence has an agent of its own, so that many run at once in one database.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { pino } from 'pino';
import { expect } from 'vitest';
import { accessRequests } from '../../src/access/requests.ts';
import { openRefusals } from '../../src/audit/refusals.ts';
import { systemClock } from '../../src/clock.ts';
import { openRateLimits } from '../../src/limits/rate-limits.ts';
import { LIMIT_NAMES, parseLimits } from '../../src/limits/settings.ts';
import type { ExchangeParts } from '../../src/oauth/exchange-parts.ts';
import { openPolicyEngine } from '../../src/policy/engine.ts';
import type { Rule } from '../../src/policy/rules.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { loadClosings } from '../../src/registry/closings.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import type { Agent } from '../../src/registry/registry.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { openCoordination } from '../../src/storage/coordination.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { bundleOf } from '../policy/bundles.ts';
import { agent, resource, TENANT } from '../registry/entries.ts';
import { WORKLOAD } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { type Inside, type RealAgent, realAgent } from './real-agent.ts';
import { AUDIENCE, RULES, SCOPES, STRICT_RULES } from './rules.ts';

const logger = pino({ enabled: false });
/** Brokers with connections of their own. */
const REPLICAS = 3;
const NOTE = { reason: 'test', appliedBy: 'test' };

const agentName = (index: number): string => `agent-${index}`;

const registryOf = (agents: number): RegistryDocument => ({
  version: 1,
  agents: Array.from({ length: agents }, (_, index) =>
    agent(agentName(index), index + 1, { access: [{ audience: AUDIENCE, scopes: SCOPES }] }),
  ),
  resources: [
    resource(AUDIENCE, {
      environment: 'dev',
      scopes: Object.fromEntries(SCOPES.map((scope) => [scope, `Does ${scope}`])),
      default_scopes: [],
    }),
  ],
});

export type RealWorld = {
  readonly database: Database;
  readonly agent: (index: number) => RealAgent;
  /** Puts the stricter policy in force, or the other; brokers notice by themselves. */
  readonly replacePolicy: (strict: boolean) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** A bundle of these rules, and an engine that has loaded it. */
const openPolicy = async (rules: readonly Rule[]) => {
  const engine = openPolicyEngine({ logger });
  const bundle = await bundleOf({ rules });
  return { engine, bundle, revision: await engine.load(bundle) };
};

/** Starts a world of so many agents. Ends, within a test's hooks, by `stop`. */
export const startRealWorld = async (agents: number): Promise<RealWorld> => {
  const fresh = await createDatabase();
  const databases: Database[] = [];
  for (let replica = 0; replica < REPLICAS; replica += 1)
    databases.push(await openDatabase({ dsn: fresh.applicationDsn, logger }));
  const databaseOf = (replica: number): Database => databases[replica] ?? expect.fail('no such replica');
  const database = databaseOf(0);
  const owner = await openDatabase({ dsn: fresh.ownerDsn, logger });
  const document = registryOf(agents);
  await applyRegistry(database, document, NOTE);
  const policies = { usual: await openPolicy(RULES), strict: await openPolicy(STRICT_RULES) };
  const replacePolicy = async (strict: boolean): Promise<void> => {
    const { bundle, revision } = strict ? policies.strict : policies.usual;
    await activatePolicy(database, bundle, revision, NOTE);
  };
  await replacePolicy(false);
  const registry = buildRegistry(1, document);
  const disabled = new Set<string>();
  const asItIs = (found: Agent | undefined) => found && { ...found, enabled: !disabled.has(found.id) };
  let closings = await loadClosings(database);
  let policy = policies.usual;
  /** One after the other, so that what was loaded last is what is held. */
  let loading = Promise.resolve();
  const catchUp = (): Promise<void> => {
    loading = loading.then(async () => {
      closings = await loadClosings(database);
      const { rows } = await sql<{
        revision: string;
      }>`select policy_revision as revision from in_force`.execute(database.db);
      policy = rows[0]?.revision === policies.strict.revision ? policies.strict : policies.usual;
    });
    return loading;
  };
  const refusals = openRefusals(database, logger);
  const limits = openRateLimits({
    settings: parseLimits(LIMIT_NAMES.map((name) => `${name}=off`).join(',')),
    replicas: 1,
    redis: null,
    refusals,
    count: () => undefined,
  });
  const replicas = databases.map(
    (database): ExchangeParts => ({
      database,
      requests: accessRequests(database),
      // The assertion says which agent it is, and every one is new, so that no repeat comes too early.
      verifyAssertion: async (assertion) => {
        const [id = '', issuedAt = ''] = assertion.split(' ');
        const found = registry.agents.get(id);
        if (found === undefined) throw new Error(`${assertion} is no agent of the model`);
        const { object, application } = found.workload;
        return {
          workload: {
            ...WORKLOAD,
            tenantId: TENANT,
            objectId: object,
            applicationId: application,
            assertionId: randomUUID(),
            issuedAt: Number(issuedAt),
          },
        };
      },
      registry: () => ({ ...registry, agentOf: (workload) => asItIs(registry.agentOf(workload)) }),
      closings: () => closings,
      policy: {
        ...policies.usual.engine,
        revision: () => policy.revision,
        decide: (question) => policy.engine.decide(question),
      },
      refusals,
      limits,
      pace: openCoordination({ redis: null }).pace,
      decisionWaits: { hasRoom: () => false, hold: () => null, stop: async () => undefined },
      catchUp,
      signingKeys: {
        active: () => ({ kid: 'kid' }) as ReturnType<ExchangeParts['signingKeys']['active']>,
        isGone: () => false,
      },
      proveKey: () => ({ value: null }),
      clock: systemClock,
      observeDecision: () => undefined,
    }),
  );

  const inWorld: Inside = {
    replicas,
    owner,
    catchUp,
    ownersOf: (agentId) => registry.agents.get(agentId)?.owners ?? [],
    setEnabled: (id, enabled) => void (enabled ? disabled.delete(id) : disabled.add(id)),
  };
  return {
    database,
    agent: (index) => realAgent(inWorld, agentName(index)),
    replacePolicy,
    stop: async () => {
      for (const { engine } of Object.values(policies)) await engine.close();
      await refusals.stop();
      await owner.close();
      for (const { close } of databases) await close();
      await fresh.drop();
    },
  };
};
