/**
 * Whether what was permitted or approved before still holds, whenever a token would leave: policy is asked as it is now,
 * and of an approval also whether those who gave it may still decide, by the registry now (I3). What a person's Entra
 * roles are by then nobody can know: the groups of a vote are those of its sign-in.
 */
import { revokeGrants } from '../access/end.ts';
import type { Found, FoundGrant, FoundRequest } from '../access/find-request.ts';
import { countMinted } from '../access/issue-token.ts';
import { isApprovedBy, isApprovedByBoth } from '../access/quorum.ts';
import { countedPeople, whoIsWho } from '../access/who-is-who.ts';
import type { Decision } from '../policy/decision.ts';
import { decisionEvent } from './decide.ts';
import type { Exchange, ExchangeParts } from './exchange-parts.ts';
import { openUnlessDenied } from './open.ts';
import { type Outcome, refused } from './outcome.ts';
import { refuseRepeat, withReason } from './tell-refusal.ts';

/** A grant to deliver under, as it was read and as policy decides now. */
export type Delivery = {
  readonly exchange: Exchange;
  readonly found: Found;
  readonly request: FoundRequest;
  readonly grant: FoundGrant;
};

export const ending = ({ exchange, request, grant }: Delivery) => ({
  requestId: request.id,
  agentId: exchange.caller.agent.id,
  grantId: grant.id,
});

/**
 * The grant as far as policy would give it now: a rule that has become stricter since holds for what is issued from now
 * on, whatever people saw when they approved (I4). Where policy permits by itself what they approved it is not stricter.
 */
export const asAllowed = async (
  { database }: ExchangeParts,
  { request, grant }: Delivery,
  decision: Decision,
): Promise<FoundGrant> => {
  const tokenSeconds = Math.min(grant.tokenSeconds, decision.tokenSeconds);
  if ((request.state === 'permitted') !== (decision.decision === 'permit')) return { ...grant, tokenSeconds };
  const lastsUntil = (grant.startsAt ?? grant.openedAt).getTime() + decision.grantSeconds * 1000;
  const granted = request.terms.max_tokens ?? Number.POSITIVE_INFINITY;
  const tokensLeft =
    decision.maxTokens === null || decision.maxTokens >= granted
      ? grant.tokensLeft
      : Math.max(0, decision.maxTokens - (await countMinted(database, grant.id)));
  return {
    ...grant,
    tokenSeconds,
    tokensLeft,
    approvedUntil: earlier(grant.approvedUntil, new Date(lastsUntil)),
  };
};

export const earlier = (one: Date, other: Date): Date => (one < other ? one : other);

/** What no longer stands behind the grant; null: everything does. */
export const lossOf = (delivery: Delivery, decision: Decision): 'policy' | 'approvers' | null => {
  const { request } = delivery;
  if (!policyAccepts(request, decision)) return 'policy';
  if (request.state === 'permitted') return null;
  return isApprovedByBoth(whoApproved(delivery), request.terms, decision.approval) ? null : 'approvers';
};

/** Whether policy would still be satisfied by the approvals as they were given. */
const policyAccepts = ({ approvals }: FoundRequest, { decision, approval }: Decision): boolean => {
  if (decision !== 'needs_approval') return decision === 'permit';
  const given = approvals.map(({ groups }) => groups);
  return approval !== null && isApprovedBy(given, approval);
};

export const endForPolicy = async (
  parts: ExchangeParts,
  delivery: Delivery,
  decision: Decision,
): Promise<Outcome> => {
  const { exchange, request } = delivery;
  const cause = { by: 'policy', cause: 'policy no longer allows it', endedBy: null };
  await revokeGrants(parts.database, [ending(delivery)], cause);
  const told = withReason(decisionEvent(exchange, decision, request.id), 'denied_by_policy');
  await parts.refusals.tell(`policy ${request.id}`, [told]);
  return refused('denied_by_policy', request.id, decision.publicReason);
};

/** Those who approved and may still decide for this agent, by the registry now, each told by their groups. */
const whoApproved = ({ exchange, request }: Delivery): readonly (readonly string[])[] => {
  const who = whoIsWho(exchange.registry, exchange.caller.agent.id);
  return who === null ? [] : countedPeople(request.approvals, who);
};

/** Too few of them are left, so the grant ends with its tokens. Nobody said no: other people may be asked. */
export const endForApprovers = async (parts: ExchangeParts, delivery: Delivery): Promise<Outcome | null> => {
  const { exchange, found, request } = delivery;
  const cause = `too few of those who approved may still decide: ${whoApproved(delivery).length} of ${request.approvals.length}`;
  await revokeGrants(parts.database, [ending(delivery)], { by: 'registry', cause, endedBy: null });
  return exchange.key.kind === 'digest'
    ? openUnlessDenied(parts, exchange, found)
    : refuseRepeat(parts, exchange, { reason: 'approval_void', requestId: request.id });
};
