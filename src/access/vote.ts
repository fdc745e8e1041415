/**
 * A person's vote. The request's row is locked first and everything is judged on what it holds then, so two votes at
 * one instant are two steps: each counts, and exactly one of them closes the quorum. What is signed is the terms
 * digest of the page; a vote on anything else changes nothing.
 */
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { AuditEvent } from '../audit/event.ts';
import { newGrantId } from '../ids.ts';
import type { Decision } from '../policy/decision.ts';
import type { VoteReason } from '../reasons/vote.ts';
import { isSamePrincipal, type Principal } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import type { Terms } from './request-digest.ts';

/** A signed-in person: who, with which Entra app roles, and since when. */
export type Approver = Principal & { readonly roles: readonly string[]; readonly signedInAt: Date };

export type Vote = {
  readonly requestId: string;
  readonly verdict: 'approve' | 'deny';
  /** The approver's own words, for the audit trail; never shown to the agent. */
  readonly reason: string;
  /** Digest of the terms the page showed. */
  readonly termsDigest: string;
  readonly approver: Approver;
  /** Owners of the agent in the registry now: none of them may vote. */
  readonly owners: readonly Principal[];
  readonly traceId: string | null;
};

export type VoteRefusal = Extract<
  VoteReason,
  | 'not_found'
  | 'already_decided'
  | 'already_voted'
  | 'terms_changed'
  | 'not_eligible'
  | 'owner'
  | 'sign_in_too_old'
>;

export type VoteOutcome =
  | { readonly outcome: 'counted' | 'approved' | 'denied' }
  | { readonly refused: VoteRefusal };

/** Prefix of the Entra app role that makes a person eligible: `Approver.<group>`. */
export const APPROVER_ROLE_PREFIX = 'Approver.';
/** A vote needs roles from a sign-in at most this old. */
export const VOTE_SIGN_IN_MAX_AGE_SECONDS = 3600;

type LockedRequest = {
  readonly id: string;
  readonly agent_id: string;
  readonly audience: string;
  readonly scopes: string[];
  readonly state: string;
  readonly terms: Terms;
  readonly terms_digest: string;
  readonly decision: Decision;
  readonly quorum: number;
  readonly approvals: number;
  readonly expired: boolean;
  readonly now: Date;
};

const lockRequest = async (trx: Kysely<Tables>, id: string): Promise<LockedRequest | undefined> => {
  const { rows } = await sql<LockedRequest>`
    select id, agent_id, audience, scopes, state, terms, terms_digest, decision, quorum, approvals,
      expires_at <= clock_timestamp() as expired, clock_timestamp() as now
    from access_requests where id = ${id} for update`.execute(trx);
  return rows[0];
};

/** The first group of the terms that the approver's roles name. */
const eligibleGroup = (groups: readonly string[], roles: readonly string[]): string | undefined =>
  groups.find((group) => roles.includes(APPROVER_ROLE_PREFIX + group));

const checkVote = (request: LockedRequest, vote: Vote, alreadyVoted: boolean): VoteRefusal | undefined => {
  if (eligibleGroup(request.terms.groups, vote.approver.roles) === undefined) return 'not_eligible';
  if (vote.owners.some((owner) => isSamePrincipal(owner, vote.approver))) return 'owner';
  const signInAge = (request.now.getTime() - vote.approver.signedInAt.getTime()) / 1000;
  if (!(signInAge <= VOTE_SIGN_IN_MAX_AGE_SECONDS)) return 'sign_in_too_old';
  if (request.state !== 'pending' || request.expired) return 'already_decided';
  if (alreadyVoted) return 'already_voted';
  if (request.terms_digest !== vote.termsDigest) return 'terms_changed';
  return undefined;
};

const hasVoted = async (trx: Kysely<Tables>, requestId: string, approver: Principal): Promise<boolean> =>
  (await trx
    .selectFrom('votes')
    .select('request_id')
    .where('request_id', '=', requestId)
    .where('approver_tenant', '=', approver.tenant)
    .where('approver_object', '=', approver.object)
    .executeTakeFirst()) !== undefined;

const eventOf = (
  request: LockedRequest,
  vote: Vote,
  name: AuditEvent['name'],
  data: AuditEvent['data'],
): AuditEvent => ({
  name,
  requestId: request.id,
  agentId: request.agent_id,
  traceId: vote.traceId,
  data,
});

const voteFacts = (vote: Vote) => ({
  approver: { tenant: vote.approver.tenant, object: vote.approver.object },
  terms_digest: vote.termsDigest,
  reason: vote.reason,
});

const insertVote = async (trx: Kysely<Tables>, request: LockedRequest, vote: Vote): Promise<void> => {
  await trx
    .insertInto('votes')
    .values({
      request_id: request.id,
      approver_tenant: vote.approver.tenant,
      approver_object: vote.approver.object,
      verdict: vote.verdict,
      approver_group: eligibleGroup(request.terms.groups, vote.approver.roles) ?? '',
      reason: vote.reason,
      terms_digest: vote.termsDigest,
      signed_in_at: vote.approver.signedInAt,
    })
    .execute();
};

const approve = async (trx: Kysely<Tables>, request: LockedRequest, vote: Vote): Promise<VoteOutcome> => {
  const approvals = request.approvals + 1;
  const approved = approvals >= request.quorum;
  await sql`update access_requests set approvals = ${approvals}, state = ${approved ? 'approved' : 'pending'},
    decided_at = case when ${approved} then now() end
    where id = ${request.id} and state = 'pending'`.execute(trx);
  const given = eventOf(request, vote, 'approval.given', {
    ...voteFacts(vote),
    approvals,
    quorum: request.quorum,
  });
  if (!approved) {
    await appendEvents(trx, [given]);
    return { outcome: 'counted' };
  }
  const grantId = newGrantId();
  const { terms } = request;
  const pickupSeconds = Math.min(request.decision.approval?.pickupSeconds ?? 0, terms.grant_seconds);
  await sql`
    insert into grants (id, request_id, agent_id, terms_digest, state, approver_groups, token_seconds, tokens_left,
      pickup_until, approved_until)
    select ${grantId}, ${request.id}, ${request.agent_id}, ${request.terms_digest}, 'offered',
      array(select distinct approver_group from votes where request_id = ${request.id} and verdict = 'approve'),
      ${terms.token_seconds}, ${terms.max_tokens}, now() + make_interval(secs => ${pickupSeconds}),
      now() + make_interval(secs => ${terms.grant_seconds})`.execute(trx);
  const opened = eventOf(request, vote, 'grant.opened', {
    grant_id: grantId,
    by: 'approval',
    terms_digest: request.terms_digest,
    grant_seconds: terms.grant_seconds,
    token_seconds: terms.token_seconds,
    pickup_seconds: pickupSeconds,
    max_tokens: terms.max_tokens,
  });
  await appendEvents(trx, [given, opened]);
  return { outcome: 'approved' };
};

const deny = async (trx: Kysely<Tables>, request: LockedRequest, vote: Vote): Promise<VoteOutcome> => {
  await sql`update access_requests set state = 'denied', decided_at = now()
    where id = ${request.id} and state = 'pending'`.execute(trx);
  const holdSeconds = request.decision.denialHoldSeconds;
  await sql`
    insert into denials (request_id, agent_id, audience, scope, held_until)
    select ${request.id}, ${request.agent_id}, ${request.audience}, scope, now() + make_interval(secs => ${holdSeconds})
    from unnest(${request.scopes}::text[]) as scope`.execute(trx);
  await appendEvents(trx, [
    eventOf(request, vote, 'denial.given', { ...voteFacts(vote), hold_seconds: holdSeconds }),
  ]);
  return { outcome: 'denied' };
};

/**
 * Casts one vote. A refused vote changes nothing but is told as `approval.refused`, if the request exists.
 * Throws `DatabaseUnavailable` if nothing could be stored: then nothing was.
 */
export const castVote = async (database: Database, vote: Vote): Promise<VoteOutcome> =>
  database.db.transaction().execute(async (trx) => {
    const request = await lockRequest(trx, vote.requestId);
    if (request === undefined) return { refused: 'not_found' };
    const refused = checkVote(request, vote, await hasVoted(trx, request.id, vote.approver));
    if (refused !== undefined) {
      await appendEvents(trx, [
        eventOf(request, vote, 'approval.refused', {
          ...voteFacts(vote),
          verdict: vote.verdict,
          refused,
        }),
      ]);
      return { refused };
    }
    await insertVote(trx, request, vote);
    return vote.verdict === 'approve' ? approve(trx, request, vote) : deny(trx, request, vote);
  });
