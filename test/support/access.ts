/** Rows that the state machine's tests start from: one agent, one policy revision, requests opened by the real statements. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Approver, Vote } from '../../src/access/check-vote.ts';
import { type Opening, openRequests } from '../../src/access/open-request.ts';
import { type Asked, termsDigest, termsOf } from '../../src/access/request-digest.ts';
import type { WhoIsWho } from '../../src/access/who-is-who.ts';
import type { VerifiedWorkload } from '../../src/identity/verified-workload.ts';
import { newGrantId, newRequestId, newTokenId } from '../../src/ids.ts';
import type { ApprovalTerms, Decision } from '../../src/policy/decision.ts';
import { isSamePrincipal, type Principal } from '../../src/registry/registry.ts';
import type { Database } from '../../src/storage/database.ts';

export const AGENT = 'reporting-agent';
export const AUDIENCE = 'api://reports.prod';
export const DECIDED_ON = {
  agentId: AGENT,
  registryRevision: 1,
  policyRevision: 'bundle-1',
  blocksRevision: 0,
};

export const WORKLOAD: VerifiedWorkload = {
  tenantId: randomUUID(),
  objectId: randomUUID(),
  applicationId: randomUUID(),
  assertionId: 'uti',
  credential: 'secret',
  version: '2.0',
  strictReplay: false,
  roles: [],
  issuedAt: 0,
  expiresAt: 0,
  parentApplicationId: null,
  facets: null,
  actorClaims: [],
  digest: 'digest',
};

/** A registry and a policy in force, as `apply` and `policy activate` leave them. */
export const seed = async ({ db }: Database): Promise<void> => {
  await sql`insert into registry_revisions (revision, applied_by, reason, digest, document) values (1, 'test', 'test', 'd', '{}')`.execute(
    db,
  );
  await sql`insert into policy_revisions (revision, bundle) values ('bundle-1', '')`.execute(db);
  await sql`insert into agents (id, tenant_id, object_id, application_id, enabled, definition, revision)
    values (${AGENT}, ${WORKLOAD.tenantId}, ${WORKLOAD.objectId}, ${WORKLOAD.applicationId}, true, '{}', 1)`.execute(
    db,
  );
  await sql`update in_force set registry_revision = 1, policy_revision = 'bundle-1'`.execute(db);
};

/** What takes one person of payroll. */
export const APPROVAL: ApprovalTerms = {
  groups: ['payroll'],
  requiredGroups: [],
  quorum: 1,
  denyQuorum: 1,
  signInSeconds: 3600,
  authenticationContexts: [],
  pendingSeconds: 900,
  pickupSeconds: 600,
};

/** A registry in which these people own the agent, these accounts are one person's, and these no person's. */
export const whoIs = ({
  owners = [],
  accounts = [],
  workloads = [],
}: Partial<Record<'owners' | 'accounts' | 'workloads', readonly Principal[]>>): WhoIsWho => ({
  owners,
  accountsOf: (account) => (accounts.some((own) => isSamePrincipal(own, account)) ? accounts : [account]),
  isWorkload: (account) => workloads.some((workload) => isSamePrincipal(workload, account)),
});

/** What a vote is prepared on, if nothing changed since the request was opened. */
export const VOTED_ON = {
  narrowing: null,
  mayShorten: () => false,
  who: whoIs({}),
  registryRevision: 1,
  decisionNow: { decision: 'needs_approval', approval: APPROVAL, bundleRevision: 'bundle-1' },
  traceId: null,
} as const satisfies Partial<Vote>;

export const decisionWith = (
  approval: Partial<ApprovalTerms>,
  changes: Partial<Decision> = {},
): Decision => ({
  decision: 'needs_approval',
  rule: 'export-payroll',
  matched: ['export-payroll'],
  publicReason: 'an approver decides',
  internalReason: 'payroll is personal data',
  tokenSeconds: 45,
  grantSeconds: 900,
  maxTokens: null,
  denialHoldSeconds: 3600,
  approval: { ...APPROVAL, ...approval },
  inputDigest: 'input',
  bundleRevision: 'bundle-1',
  ...changes,
});

let opened = 0;
/** A scope that no other test asked for, so that no denial of another test holds for it. */
export const freshScope = (): string => {
  opened += 1;
  return `payroll.export-${opened}`;
};

/** Opens a pending request under its own key and returns what a voter would see. */
export const openRequest = async (
  database: Database,
  decision: Decision,
  scopes: readonly string[] = [freshScope()],
): Promise<{ readonly requestId: string; readonly termsDigest: string }> => {
  const requestId = newRequestId();
  const asked: Asked = {
    agentId: AGENT,
    audience: AUDIENCE,
    scopes,
    authorizationDetails: [],
    proofKey: null,
  };
  const terms = termsOf(asked, decision, { justification: null, requestedSeconds: null });
  const digest = termsDigest(terms);
  const [open] = await openRequests(database, [
    {
      on: DECIDED_ON,
      requestId,
      key: { kind: 'own', value: requestId.slice(5) },
      replaces: null,
      asked,
      proof: null,
      justification: null,
      requestedSeconds: null,
      workload: WORKLOAD,
      decision,
      terms,
      termsDigest: digest,
      permitted: null,
      events: [{ name: 'request.opened', requestId, agentId: AGENT, data: { state: 'pending' } }],
    },
  ]);
  if (!open) throw new Error('the request was not opened');
  return { requestId, termsDigest: digest };
};

/** A person with the payroll group's role who signed in just now; a new one each time. */
export const approver = (changes: Partial<Approver> = {}): Approver => ({
  tenant: WORKLOAD.tenantId,
  object: randomUUID(),
  roles: ['Approver', 'Approver.payroll'],
  signedInAt: new Date(),
  authenticatedAt: null,
  authenticationContexts: [],
  ...changes,
});

const permit = { ...decisionWith({}), decision: 'permit' as const, approval: null };

/** A request that policy permits, under a key of its own unless the test names one. */
export const opening = (changes: {
  readonly key?: string;
  readonly agentId?: string;
  readonly scopes?: readonly string[];
  readonly decision?: Opening['decision'];
  readonly replaces?: string;
  readonly policyRevision?: string;
  readonly proof?: string;
  readonly workload?: VerifiedWorkload;
}): Opening => {
  const { agentId = AGENT, scopes = [freshScope()], decision = permit } = changes;
  const requestId = newRequestId();
  const asked: Asked = { agentId, audience: AUDIENCE, scopes, authorizationDetails: [], proofKey: null };
  const terms = termsOf(asked, decision, { justification: null, requestedSeconds: null });
  const permitted =
    decision.decision === 'permit' ? { grantId: newGrantId(), jti: newTokenId(), kid: 'kid' } : null;
  const event = { requestId, agentId };
  return {
    on: { ...DECIDED_ON, agentId, policyRevision: changes.policyRevision ?? DECIDED_ON.policyRevision },
    requestId,
    key: { kind: 'own', value: changes.key ?? requestId },
    replaces: changes.replaces ?? null,
    asked,
    proof: changes.proof ?? null,
    justification: null,
    requestedSeconds: null,
    workload: changes.workload ?? WORKLOAD,
    decision,
    terms,
    termsDigest: termsDigest(terms),
    permitted,
    events: [
      { ...event, name: 'request.opened', data: {} },
      ...(permitted === null
        ? []
        : [
            { ...event, name: 'grant.opened' as const, data: {} },
            { ...event, name: 'token.issued' as const, data: { jti: permitted.jti } },
          ]),
    ],
  };
};
