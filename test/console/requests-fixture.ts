/** Requests as exchanges open them, for the console to show. */
import { sql } from 'kysely';
import { openRequests } from '../../src/access/open-request.ts';
import { type Asked, termsDigest, termsOf } from '../../src/access/request-digest.ts';
import type { VerifiedWorkload } from '../../src/identity/verified-workload.ts';
import { newRequestId } from '../../src/ids.ts';
import type { ApprovalTerms, Decision } from '../../src/policy/decision.ts';
import { loadClosings } from '../../src/registry/closings.ts';
import type { Principal, Registry } from '../../src/registry/registry.ts';
import type { Database } from '../../src/storage/database.ts';

export const POLICY_REVISION = 'bundle-1';

/** What policy answers when nobody but the request itself says who may decide. */
export const PERMITTED_NOW: Decision = {
  decision: 'permit',
  rule: 'anything',
  matched: ['anything'],
  publicReason: 'allowed',
  internalReason: 'allowed',
  tokenSeconds: 45,
  grantSeconds: 1800,
  maxTokens: null,
  denialHoldSeconds: 3600,
  approval: null,
  inputDigest: 'a'.repeat(64),
  bundleRevision: POLICY_REVISION,
};

/** Whom a request is about, beyond the defaults of a payroll export. */
export type RequestChanges = {
  readonly agent?: string;
  readonly audience?: string;
  readonly scopes?: readonly string[];
  readonly groups?: readonly string[];
  readonly quorum?: number;
  readonly justification?: string | null;
  readonly proofKey?: string | null;
  readonly details?: readonly Readonly<Record<string, unknown>>[];
  readonly decision?: Partial<Decision>;
  readonly approval?: Partial<ApprovalTerms>;
};

export type OpenedRequest = { readonly requestId: string; readonly termsDigest: string };

const decisionOf = (changes: RequestChanges): Decision => ({
  decision: 'needs_approval',
  rule: 'payroll-export-prod',
  matched: ['payroll-export-prod'],
  publicReason: 'an approver decides',
  internalReason: 'Payroll data of real people leaves the system.',
  tokenSeconds: 45,
  grantSeconds: 1800,
  maxTokens: null,
  denialHoldSeconds: 3600,
  inputDigest: 'a'.repeat(64),
  bundleRevision: POLICY_REVISION,
  ...changes.decision,
  approval: {
    groups: changes.groups ?? ['payroll'],
    requiredGroups: [],
    quorum: changes.quorum ?? 1,
    denyQuorum: 1,
    signInSeconds: 3600,
    authenticationContexts: [],
    pendingSeconds: 1800,
    pickupSeconds: 600,
    ...changes.approval,
  },
});

const workloadOf = (agent: Principal & { readonly application: string }): VerifiedWorkload => ({
  tenantId: agent.tenant,
  objectId: agent.object,
  applicationId: agent.application,
  assertionId: 'uti',
  credential: 'certificate',
  version: '2.0',
  strictReplay: false,
  roles: [],
  issuedAt: Math.floor(Date.now() / 1000) - 120,
  expiresAt: Math.floor(Date.now() / 1000) + 3600,
  parentApplicationId: null,
  facets: null,
  actorClaims: [],
  digest: 'd'.repeat(64),
});

/** Opens a pending request by the exchange's own statement, with the events of one. */
export const openRequest = async (
  database: Database,
  registry: Registry,
  changes: RequestChanges,
): Promise<OpenedRequest> => {
  const agent = registry.agents.get(changes.agent ?? 'reporting-agent');
  if (agent === undefined) throw new Error('no such agent');
  const decision = decisionOf(changes);
  const asked: Asked = {
    agentId: agent.id,
    audience: changes.audience ?? 'api://reports.prod',
    scopes: changes.scopes ?? ['payroll.export'],
    authorizationDetails: changes.details ?? [],
    proofKey: changes.proofKey ?? null,
  };
  const { justification = null } = changes;
  const terms = termsOf(asked, decision, { justification, requestedSeconds: null });
  const requestId = newRequestId();
  const { revision: blocksRevision } = await loadClosings(database);
  const common = { requestId, agentId: agent.id, traceId: null };
  const [opened] = await openRequests(database, [
    {
      on: { agentId: agent.id, registryRevision: 1, policyRevision: POLICY_REVISION, blocksRevision },
      requestId,
      key: { kind: 'own', value: requestId.slice(5) },
      replaces: null,
      asked,
      proof: null,
      justification,
      requestedSeconds: null,
      workload: workloadOf(agent.workload),
      decision,
      terms,
      termsDigest: termsDigest(terms),
      permitted: null,
      events: [
        {
          ...common,
          name: 'assertion.verified',
          data: {
            ...agent.workload,
            credential: 'certificate',
            version: '2.0',
            assertion_digest: 'd'.repeat(64),
          },
        },
        { ...common, name: 'agent.mapped', data: { registry_revision: 1 } },
        {
          ...common,
          name: 'policy.decided',
          data: {
            decision: 'needs_approval',
            rule: decision.rule,
            internal_reason: decision.internalReason,
            audience: asked.audience,
            scopes: asked.scopes,
            bundle_revision: POLICY_REVISION,
          },
        },
        { ...common, name: 'request.opened', data: { state: 'pending', terms_digest: termsDigest(terms) } },
      ],
    },
  ]);
  if (!opened) throw new Error('the request was not opened');
  return { requestId, termsDigest: termsDigest(terms) };
};

/** A registry and a policy in force, as far as the exchange's statements look. */
export const seed = async ({ db }: Database, registry: Registry): Promise<void> => {
  await sql`insert into registry_revisions (revision, applied_by, reason, digest, document)
    values (1, 'test', 'test', 'd', '{}')`.execute(db);
  await sql`insert into policy_revisions (revision, bundle) values (${POLICY_REVISION}, '')`.execute(db);
  for (const { id, workload } of registry.agents.values()) {
    await sql`insert into agents (id, tenant_id, object_id, application_id, enabled, definition, revision)
      values (${id}, ${workload.tenant}, ${workload.object}, ${workload.application}, true, '{}', 1)`.execute(
      db,
    );
  }
  await sql`update in_force set registry_revision = 1, policy_revision = ${POLICY_REVISION}`.execute(db);
};
