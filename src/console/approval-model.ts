/** From a stored request to what its page says: the terms as they were signed off, the words of the registry now. */

import type { ApprovalFacts } from '../../views/approval-facts.tsx';
import type { ApprovalModel } from '../../views/approval-page.tsx';
import type { ConsequenceModel } from '../../views/consequences.tsx';
import type { QueueItem } from '../../views/queue-page.tsx';
import type { StandingModel } from '../../views/standing.tsx';
import type { ApprovalRequest, QueueEntry } from '../access/approval-queue.ts';
import type { DecisionNow } from '../access/check-vote.ts';
import { conditionsOf } from '../access/quorum.ts';
import { isOwner, whoIsWho } from '../access/who-is-who.ts';
import { isSamePrincipal, type Principal, type Registry } from '../registry/registry.ts';
import type { Names } from './people.ts';

const standingOf = (entry: QueueEntry, registry: Registry, reader: Principal): QueueItem['standing'] => {
  const who = whoIsWho(registry, entry.agentId);
  if (who !== null && isOwner(who, reader)) return 'owns_agent';
  return entry.voted ? 'has_voted' : 'may_decide';
};

export const queueItem = (entry: QueueEntry, registry: Registry, reader: Principal): QueueItem => {
  const resource = registry.resources.get(entry.audience);
  return {
    requestId: entry.requestId,
    agent: registry.agents.get(entry.agentId)?.name ?? entry.agentId,
    scopes: entry.terms.scopes,
    resource: resource?.name ?? entry.audience,
    environment: resource?.environment ?? null,
    sensitivity: resource?.sensitivity ?? null,
    grantSeconds: entry.terms.grant_seconds,
    openedAt: entry.openedAt,
    expiresAt: entry.expiresAt,
    approvals: entry.approvals,
    quorum: entry.quorum,
    state: entry.state,
    decidedAt: entry.decidedAt,
    decidedBy: entry.voters,
    standing: standingOf(entry, registry, reader),
  };
};

/** The request's state at this moment: a sweeper writes `expired` a little later than it is true. */
export const stateNow = (request: ApprovalRequest): ApprovalRequest['state'] =>
  request.state === 'pending' && request.expiresAt <= request.now ? 'expired' : request.state;

export const standingModel = (request: ApprovalRequest, reader: Principal): StandingModel => ({
  state: stateNow(request),
  openedAt: request.openedAt,
  expiresAt: request.expiresAt,
  approvals: request.approvals,
  quorum: request.quorum,
  grantSeconds: request.terms.grant_seconds,
  maxTokens: request.terms.max_tokens,
  votes: request.votes.map(({ name, verdict, reason, votedAt, counts, ...voter }) => ({
    name,
    verdict,
    reason,
    votedAt,
    own: isSamePrincipal(voter, reader),
    counts,
  })),
  grant: request.grant,
  now: request.now,
});

const namesFor = (people: readonly Principal[], names: Names): string[] =>
  people.map((person) => names(person) ?? `Entra object ${person.object}`);

const factsOf = (
  request: ApprovalRequest,
  { registry, names, policyRevision }: ModelContext,
): ApprovalFacts => {
  const agent = registry.agents.get(request.agentId);
  const resource = registry.resources.get(request.audience);
  const { workload, decision, terms } = request;
  return {
    agent: {
      id: request.agentId,
      name: agent?.name ?? request.agentId,
      description: agent?.description ?? null,
      enabled: agent?.enabled ?? false,
      owners: namesFor(agent?.owners ?? [], names),
      sponsors: namesFor(agent?.sponsors ?? [], names),
    },
    workload: {
      tenantId: workload.tenantId,
      objectId: workload.objectId,
      applicationId: workload.applicationId,
      credential: workload.credential,
      roles: workload.roles,
      parentApplicationId: workload.parentApplicationId,
      facets: workload.facets ?? null,
      assertionIssuedAt: new Date(workload.issuedAt * 1000),
    },
    resource: {
      audience: request.audience,
      name: resource?.name ?? request.audience,
      description: resource?.description ?? null,
      environment: resource?.environment ?? null,
      sensitivity: resource?.sensitivity ?? null,
    },
    actions: terms.scopes.map((scope) => ({ scope, words: resource?.scopes.get(scope) ?? null })),
    leftOut: request.scopes.filter((scope) => !terms.scopes.includes(scope)),
    details: terms.authorization_details.map((detail) => JSON.stringify(detail, null, 2)),
    policy: {
      rule: terms.rule,
      matched: decision.matched,
      reason: decision.internalReason,
      groups: terms.groups,
      requiredGroups: conditionsOf(terms).requiredGroups,
      bundleRevision: terms.bundle_revision,
      changedSince: policyRevision !== null && policyRevision !== terms.bundle_revision,
    },
    termsDigest: request.termsDigest,
  };
};

/** What was frozen and what policy says now must both be satisfied: the page tells the stricter. */
const consequencesOf = (
  request: ApprovalRequest,
  facts: ApprovalFacts,
  now: DecisionNow | null,
): ConsequenceModel => ({
  agent: facts.agent.name,
  scopes: request.terms.scopes,
  resource: facts.resource.name,
  environment: facts.resource.environment,
  grantSeconds: request.terms.grant_seconds,
  startsAfterSeconds: request.terms.starts_after_seconds ?? 0,
  tokenSeconds: request.terms.token_seconds,
  maxTokens: request.terms.max_tokens,
  pickupSeconds: Math.min(request.decision.approval?.pickupSeconds ?? 0, request.terms.grant_seconds),
  denialHoldSeconds: request.decision.denialHoldSeconds,
  keyBound: request.proofKey !== null,
  quorum: Math.max(request.quorum, now?.approval?.quorum ?? 0),
  approvals: request.approvals,
  requiredGroups: [
    ...new Set([...conditionsOf(request.terms).requiredGroups, ...(now?.approval?.requiredGroups ?? [])]),
  ],
  denyQuorum: Math.min(
    conditionsOf(request.terms).denyQuorum,
    now?.approval?.denyQuorum ?? Number.POSITIVE_INFINITY,
  ),
});

export type ModelContext = {
  readonly registry: Registry;
  readonly names: Names;
  /** Bundle in force now. */
  readonly policyRevision: string | null;
  readonly reader: Principal;
  /** What policy says now; null: it was not asked. */
  readonly decisionNow: DecisionNow | null;
};

/** Everything of the page but the decision, which depends on the session and on what just happened. */
export const approvalModel = (
  request: ApprovalRequest,
  context: ModelContext,
): Omit<ApprovalModel, 'decision' | 'denial' | 'notice' | 'unusual'> => {
  const facts = factsOf(request, context);
  return {
    requestId: request.requestId,
    facts,
    consequences: consequencesOf(request, facts, context.decisionNow),
    standing: standingModel(request, context.reader),
    words: request.justification,
  };
};
