/**
 * The same agents for real: the exchange itself with its policy engine, on a PostgreSQL, behind everything that HTTP
 * and Entra are about. Each sequence has an agent of its own, so that many run at once in one database.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { pino } from 'pino';
import { expect } from 'vitest';
import { revokeGrants } from '../../src/access/end.ts';
import { accessRequests } from '../../src/access/requests.ts';
import { openRefusals } from '../../src/audit/refusals.ts';
import { systemClock } from '../../src/clock.ts';
import { openRateLimits } from '../../src/limits/rate-limits.ts';
import { LIMIT_NAMES, parseLimits } from '../../src/limits/settings.ts';
import type { ExchangeParts } from '../../src/oauth/exchange-parts.ts';
import type { Outcome } from '../../src/oauth/outcome.ts';
import { exchange } from '../../src/oauth/token-exchange.ts';
import { openPolicyEngine } from '../../src/policy/engine.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { closingsOf } from '../../src/registry/closings.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import type { Agent } from '../../src/registry/registry.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { openCoordination } from '../../src/storage/coordination.ts';
import { type Database, openDatabase, type Statement } from '../../src/storage/database.ts';
import { bundleOf } from '../policy/bundles.ts';
import { agent, resource, TENANT } from '../registry/entries.ts';
import { WORKLOAD } from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { voteBy, wordOf } from '../support/vote-as.ts';
import type { Key } from './expected.ts';
import { onceUnlocked } from './once-unlocked.ts';
import { AUDIENCE, RULES, SCOPES, type Scope } from './rules.ts';

const logger = pino({ enabled: false });
export const REPLICAS = 3;
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

export type Asking = {
  readonly key: Key;
  readonly scope: Scope;
  /** The broker's ids of the agent's requests, by their numbers. */
  readonly ids: readonly string[];
  /** The replica that is asked; the first one if it is not said. */
  readonly replica?: number;
};

/** One agent, and all that can happen to it. */
export type RealAgent = {
  readonly id: string;
  readonly exchange: (asking: Asking) => Promise<Outcome>;
  readonly vote: (
    requestId: string,
    voter: number,
    verdict: 'approve' | 'deny',
    replica?: number,
  ) => Promise<string>;
  readonly endGrant: (requestId: string) => Promise<number>;
  readonly setEnabled: (enabled: boolean) => Promise<void>;
  /** Lets time pass, for this agent alone: everything of it is as much older. */
  readonly pass: (seconds: number) => Promise<void>;
};

export type RealWorld = {
  readonly database: Database;
  /** Brokers with connections of their own. */
  readonly databases: readonly Database[];
  readonly agent: (index: number) => RealAgent;
  readonly stop: () => Promise<void>;
};

const EVERYTHING_OLDER: Statement = {
  name: 'everything-older',
  text: `
with older as (select make_interval(secs => $2) as by), requests as (
  update access_requests r set opened_at = opened_at - by, expires_at = expires_at - by, decided_at = decided_at - by
  from older where r.agent_id = $1
), holds as (
  update denials d set denied_at = denied_at - by, held_until = held_until - by from older where d.agent_id = $1
), granted as (
  update grants g set opened_at = opened_at - by, pickup_until = pickup_until - by,
    approved_until = approved_until - by, ended_at = ended_at - by
  from older where g.agent_id = $1
)
update tokens t set issued_at = issued_at - by, expires_at = expires_at - by
from older, grants g where g.id = t.grant_id and g.agent_id = $1`,
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
  const policy = openPolicyEngine({ logger });
  const bundle = await bundleOf({ rules: RULES });
  const bundleRevision = await policy.load(bundle);
  await activatePolicy(database, bundle, bundleRevision, NOTE);
  const registry = buildRegistry(1, document);
  const disabled = new Set<string>();
  const asItIs = (found: Agent | undefined) => found && { ...found, enabled: !disabled.has(found.id) };
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
        const found = registry.agents.get(assertion);
        if (found === undefined) throw new Error(`${assertion} is no agent of the model`);
        const { object, application } = found.workload;
        return {
          workload: {
            ...WORKLOAD,
            tenantId: TENANT,
            objectId: object,
            applicationId: application,
            assertionId: randomUUID(),
          },
        };
      },
      registry: () => ({ ...registry, agentOf: (workload) => asItIs(registry.agentOf(workload)) }),
      closings: () => closingsOf({ revision: 0, not_before: null, blocks: [], agents: {}, tokens: {} }),
      policy,
      refusals,
      limits,
      pace: openCoordination({ redis: null }).pace,
      decisionWaits: { hasRoom: () => false, hold: () => null, stop: async () => undefined },
      catchUp: async () => undefined,
      signingKeys: {
        active: () => ({ kid: 'kid' }) as ReturnType<ExchangeParts['signingKeys']['active']>,
        isGone: () => false,
      },
      proveKey: () => ({ value: null }),
      clock: systemClock,
      observeDecision: () => undefined,
    }),
  );

  const ask = (id: string, { key, scope, ids, replica = 0 }: Asking): Promise<Outcome> => {
    const requestId = key.kind === 'own' ? 'own' : key.kind === 'broker' ? ids[key.request] : undefined;
    const form = new Map<string, string | undefined>(
      Object.entries({
        subject_token: id,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        audience: AUDIENCE,
        scope,
        request_id: requestId,
      }),
    );
    return exchange(replicas[replica] ?? expect.fail('no such replica'), {
      form: {
        get: (name) => form.get(name),
        all: (name) => [form.get(name) ?? []].flat(),
      },
      authorization: undefined,
      proofs: [],
      address: '127.0.0.1',
      traceId: '00000000000000000000000000000001',
      wait: null,
    });
  };

  return {
    database,
    databases,
    agent: (index) => {
      const id = agentName(index);
      return {
        id,
        exchange: (asking) => ask(id, asking),
        vote: async (requestId, voter, verdict, replica = 0) =>
          wordOf(
            await voteBy(databaseOf(replica), {
              requestId,
              verdict,
              approver: {
                tenant: TENANT,
                object: `99999999-9999-4999-8999-${String(voter).padStart(12, '0')}`,
                roles: ['Approver', 'Approver.thing'],
                signedInAt: new Date(),
                authenticatedAt: null,
                authenticationContexts: [],
              },
              ownersOf: (agentId) => registry.agents.get(agentId)?.owners ?? [],
            }),
          ),
        endGrant: async (requestId) => {
          const { rows } = await sql<{ id: string }>`
            select id from grants where request_id = ${requestId}`.execute(database.db);
          const ending = { requestId, agentId: id, grantId: rows[0]?.id ?? null };
          return revokeGrants(database, [ending], {
            by: 'test',
            cause: 'a test ends it',
            endedBy: 'operator',
          });
        },
        setEnabled: async (enabled) => {
          if (enabled) disabled.delete(id);
          else disabled.add(id);
          await sql`update agents set enabled = ${enabled} where id = ${id}`.execute(database.db);
        },
        pass: (seconds) => onceUnlocked(() => owner.query(EVERYTHING_OLDER, [id, seconds])),
      };
    },
    stop: async () => {
      await policy.close();
      await refusals.stop();
      await owner.close();
      for (const { close } of databases) await close();
      await fresh.drop();
    },
  };
};
