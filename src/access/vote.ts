/**
 * A person's vote. The request's row is locked first and everything is judged on what it holds then, so two votes at
 * one instant are two steps: each counts, and exactly one of them closes the quorum. What is signed is the terms
 * digest of the page; a vote on anything else changes nothing. Who may vote and how many it takes was frozen when the
 * request was opened and is compared with what policy says now: both must hold.
 */
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { AuditEvent } from '../audit/event.ts';
import { newGrantId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import {
  type Counted,
  checkVote,
  groupsOf,
  type LockedRequest,
  signedTerms,
  type Vote,
  type VoteRefusal,
} from './check-vote.ts';
import { countsBeside } from './counted-votes.ts';
import { narrowRequest } from './narrow-request.ts';
import { conditionsOf, isApprovedByBoth } from './quorum.ts';
import { type CastVote, countedPeople, peopleBehind } from './who-is-who.ts';

export type VoteOutcome =
  | { readonly outcome: 'counted' | 'approved' | 'denied' }
  | { readonly refused: VoteRefusal }
  /** Registry or policy moved since they were read, nothing was done: look again. */
  | { readonly overtaken: true };

const lockRequest = async (
  trx: Kysely<Tables>,
  { requestId, registryRevision, decisionNow }: Vote,
): Promise<LockedRequest | undefined> => {
  // A statement that waits for the lock would tell the revisions of before it waited.
  await sql`select from access_requests where id = ${requestId} for update`.execute(trx);
  const { rows } = await sql<LockedRequest>`
    select r.id, r.agent_id, r.audience, r.scopes, r.state, r.terms, r.terms_digest, r.decision, r.quorum,
      r.expires_at <= clock_timestamp() as expired, clock_timestamp() as now,
      (f.registry_revision, f.policy_revision) = (${registryRevision}, ${decisionNow.bundleRevision}) as current
    from access_requests r, in_force f where r.id = ${requestId} for share of f`.execute(trx);
  return rows[0];
};

/** Read by a statement of its own after the lock: it sees every vote that was committed before. */
const countedVotes = async (trx: Kysely<Tables>, request: LockedRequest): Promise<readonly Counted[]> => {
  const { rows } = await sql<Counted>`
    select v.approver_tenant as tenant, v.approver_object as object, v.verdict,
      coalesce(v.approver_groups, array[v.approver_group]) as groups, v.terms_digest = ${request.terms_digest} as present
    from votes v where v.request_id = ${request.id} and ${countsBeside(sql`${request.terms_digest}`)}`.execute(
    trx,
  );
  return rows;
};

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

/** A vote that passed every check, with the groups that its approver stands for and the votes before it. */
type Accepted = {
  readonly request: LockedRequest;
  readonly vote: Vote;
  readonly groups: readonly string[];
  readonly counted: readonly Counted[];
};

/** Narrower terms are the request's from here on: who said yes to more has to say it anew, who said no said it to less too. */
const narrowFirst = async (trx: Kysely<Tables>, accepted: Accepted): Promise<Accepted> => {
  const { request, vote, counted } = accepted;
  if (vote.termsDigest === request.terms_digest) return accepted;
  const narrowed = await narrowRequest(trx, request, signedTerms(request, vote));
  await appendEvents(trx, [
    eventOf(request, vote, 'request.narrowed', {
      approver: voteFacts(vote).approver,
      ...narrowed.facts,
      voided_votes: counted.filter(({ verdict }) => verdict === 'approve').length,
    }),
  ]);
  const denials = counted.filter(({ verdict }) => verdict === 'deny');
  return { ...accepted, request: narrowed.request, counted: denials };
};

const insertVote = async (trx: Kysely<Tables>, { request, vote, groups }: Accepted): Promise<void> => {
  await trx
    .insertInto('votes')
    .values({
      request_id: request.id,
      approver_tenant: vote.approver.tenant,
      approver_object: vote.approver.object,
      verdict: vote.verdict,
      approver_group: groups[0] ?? '',
      approver_groups: [...groups],
      reason: vote.reason,
      terms_digest: vote.termsDigest,
      signed_in_at: vote.approver.signedInAt,
    })
    .execute();
};

const ownOf = ({ vote: { approver }, groups }: Accepted): CastVote => ({
  tenant: approver.tenant,
  object: approver.object,
  groups,
});

const approve = async (trx: Kysely<Tables>, accepted: Accepted): Promise<VoteOutcome> => {
  const { request, vote, groups, counted } = accepted;
  const approvals = [...counted.filter(({ verdict }) => verdict === 'approve'), ownOf(accepted)];
  const people = countedPeople(approvals, vote.who);
  const { approval } = vote.decisionNow;
  const approved = isApprovedByBoth(people, request.terms, approval);
  await sql`update access_requests set approvals = ${approvals.length}, state = ${approved ? 'approved' : 'pending'},
    decided_at = case when ${approved} then now() end
    where id = ${request.id} and state = 'pending'`.execute(trx);
  const given = eventOf(request, vote, 'approval.given', {
    ...voteFacts(vote),
    groups,
    approvals: people.length,
    quorum: Math.max(request.quorum, approval?.quorum ?? 0),
  });
  if (!approved) {
    await appendEvents(trx, [given]);
    return { outcome: 'counted' };
  }
  await appendEvents(trx, [given, await openGrant(trx, accepted, people)]);
  return { outcome: 'approved' };
};

/** Opens the grant of an approved request, and returns the event that tells it. */
const openGrant = async (
  trx: Kysely<Tables>,
  { request, vote }: Accepted,
  people: readonly (readonly string[])[],
): Promise<AuditEvent> => {
  const grantId = newGrantId();
  const { terms } = request;
  const startsAfter = terms.starts_after_seconds ?? 0;
  const pickupSeconds = Math.min(request.decision.approval?.pickupSeconds ?? 0, terms.grant_seconds);
  await sql`
    insert into grants (id, request_id, agent_id, terms_digest, state, approver_groups, token_seconds, tokens_left,
      starts_at, pickup_until, approved_until)
    select ${grantId}, ${request.id}, ${request.agent_id}, ${request.terms_digest}, 'offered',
      ${[...new Set(people.flat())]}::text[],
      ${terms.token_seconds}, ${terms.max_tokens},
      case when ${startsAfter}::integer > 0 then now() + make_interval(secs => ${startsAfter}) end,
      now() + make_interval(secs => ${startsAfter + pickupSeconds}),
      now() + make_interval(secs => ${startsAfter + terms.grant_seconds})`.execute(trx);
  return eventOf(request, vote, 'grant.opened', {
    grant_id: grantId,
    by: 'approval',
    terms_digest: request.terms_digest,
    grant_seconds: terms.grant_seconds,
    token_seconds: terms.token_seconds,
    pickup_seconds: pickupSeconds,
    max_tokens: terms.max_tokens,
    ...(startsAfter > 0 && { starts_after_seconds: startsAfter }),
  });
};

/** Of two numbers of people that a denial takes, the smaller holds: a no is never made harder afterwards. */
const deny = async (trx: Kysely<Tables>, accepted: Accepted): Promise<VoteOutcome> => {
  const { request, vote, counted } = accepted;
  const votes = [...counted.filter(({ verdict }) => verdict === 'deny'), ownOf(accepted)];
  const denials = peopleBehind(votes, vote.who).length;
  const { denyQuorum } = conditionsOf(request.terms);
  const needed = Math.min(denyQuorum, vote.decisionNow.approval?.denyQuorum ?? denyQuorum);
  const facts = { ...voteFacts(vote), denials, deny_quorum: needed };
  if (denials < needed) {
    await appendEvents(trx, [eventOf(request, vote, 'denial.given', facts)]);
    return { outcome: 'counted' };
  }
  await sql`update access_requests set state = 'denied', decided_at = now()
    where id = ${request.id} and state = 'pending'`.execute(trx);
  const holdSeconds = request.decision.denialHoldSeconds;
  await sql`
    insert into denials (request_id, agent_id, audience, scope, held_until)
    select ${request.id}, ${request.agent_id}, ${request.audience}, scope, now() + make_interval(secs => ${holdSeconds})
    from unnest(${request.scopes}::text[]) as scope`.execute(trx);
  await appendEvents(trx, [eventOf(request, vote, 'denial.given', { ...facts, hold_seconds: holdSeconds })]);
  return { outcome: 'denied' };
};

/**
 * Casts one vote. A refused vote changes nothing but is told as `approval.refused`, if the request exists.
 * Throws `DatabaseUnavailable` if nothing could be stored: then nothing was.
 */
export const castVote = async (database: Database, vote: Vote): Promise<VoteOutcome> =>
  database.db.transaction().execute(async (trx) => {
    const request = await lockRequest(trx, vote);
    if (request === undefined) return { refused: 'not_found' };
    if (!request.current) return { overtaken: true };
    const counted = await countedVotes(trx, request);
    const refused = checkVote(request, vote, counted);
    if (refused !== undefined) {
      const facts = { ...voteFacts(vote), verdict: vote.verdict, refused };
      await appendEvents(trx, [eventOf(request, vote, 'approval.refused', facts)]);
      return { refused };
    }
    const accepted = await narrowFirst(trx, { request, vote, counted, groups: groupsOf(request, vote) });
    await insertVote(trx, accepted);
    return vote.verdict === 'approve' ? approve(trx, accepted) : deny(trx, accepted);
  });
