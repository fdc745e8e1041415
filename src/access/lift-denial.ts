/**
 * Lifting a person's denial before its time: after it the agent may ask anew, and nothing more. Whoever may decide on
 * the request may, and an Operator; whoever answers for the agent may not, by none of their accounts. The request's row
 * is locked first, so of two people at one instant one lifts and one comes too late.
 */
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { VoteReason } from '../reasons/vote.ts';
import type { Principal } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import type { Approver } from './check-vote.ts';
import { countsBeside } from './counted-votes.ts';
import { APPROVER_ROLE_PREFIX, conditionsOf, eligibleGroups } from './quorum.ts';
import type { Terms } from './request-digest.ts';
import { isSignInTooOld, missingStepUp } from './step-up.ts';
import { isOwner, type WhoIsWho } from './who-is-who.ts';

/** Entra app role of those who run the broker. */
const OPERATOR_ROLE = 'Operator';

/** A request that people denied. */
export type DeniedRequest = {
  readonly requestId: string;
  readonly agentId: string;
  readonly terms: Terms;
  readonly termsDigest: string;
  /** Until when the denial holds; null: it was lifted, or its time is over. */
  readonly heldUntil: Date | null;
  /** Those who denied it, in order. */
  readonly deniedBy: readonly Principal[];
  readonly now: Date;
};

/** Who lifts, and who is who in the registry now. */
export type Lifter = {
  readonly person: Approver;
  readonly who: WhoIsWho;
};

export type Lifting = Lifter & {
  readonly requestId: string;
  /** The person's own words, for the audit trail; never shown to the agent. */
  readonly reason: string;
  /** The registry's revision that `who` is of. */
  readonly registryRevision: number;
  readonly traceId: string | null;
};

export type LiftRefusal = Extract<
  VoteReason,
  | 'not_found'
  | 'not_eligible'
  | 'not_a_person'
  | 'owner'
  | 'sign_in_too_old'
  | 'step_up_missing'
  | 'denial_over'
>;

export type LiftOutcome =
  | { readonly outcome: 'lifted' }
  | { readonly refused: LiftRefusal }
  /** The registry moved since it was read, nothing was done: look again. */
  | { readonly overtaken: true };

/** The app roles by which a person may lift a denial of these terms; none: they may not. */
export const liftingRoles = (terms: Terms, roles: readonly string[]): string[] => [
  ...eligibleGroups(conditionsOf(terms), roles).map((group) => APPROVER_ROLE_PREFIX + group),
  ...roles.filter((role) => role === OPERATOR_ROLE),
];

/** Why this person may not lift a denial of these terms, undefined if they may. Pure. */
export const checkLifter = (
  terms: Terms,
  { person, who }: Lifter,
  now: Date,
): Exclude<LiftRefusal, 'not_found' | 'denial_over'> | undefined => {
  if (who.isWorkload(person)) return 'not_a_person';
  if (liftingRoles(terms, person.roles).length === 0) return 'not_eligible';
  if (isOwner(who, person)) return 'owner';
  if (isSignInTooOld(person, now)) return 'sign_in_too_old';
  return missingStepUp(person, [conditionsOf(terms)], now) === null ? undefined : 'step_up_missing';
};

/** The request, if people denied it; null for any other. */
export const findDenied = async (database: Database, requestId: string): Promise<DeniedRequest | null> => {
  const { rows } = await sql<DeniedRequest>`
    select r.id as "requestId", r.agent_id as "agentId", r.terms, r.terms_digest as "termsDigest", now() as now,
      (select max(d.held_until) from denials d
        where d.request_id = r.id and d.lifted_at is null and d.held_until > now()) as "heldUntil",
      (select coalesce(json_agg(json_build_object('tenant', v.approver_tenant, 'object', v.approver_object)
        order by v.voted_at), '[]') from votes v
        where v.request_id = r.id and v.verdict = 'deny' and ${countsBeside(sql`r.terms_digest`)}) as "deniedBy"
    from access_requests r where r.id = ${requestId} and r.state = 'denied'`.execute(database.pages);
  return rows[0] ?? null;
};

type Locked = {
  readonly agent_id: string;
  readonly terms: Terms;
  readonly current: boolean;
  readonly now: Date;
};

const lockDenied = async (
  trx: Kysely<Tables>,
  { requestId, registryRevision }: Lifting,
): Promise<Locked | undefined> => {
  // As in `vote.ts`: a statement that waits for the lock would tell the revision of before it waited.
  await sql`select from access_requests where id = ${requestId} for update`.execute(trx);
  const { rows } = await sql<Locked>`
    select r.agent_id, r.terms, f.registry_revision = ${registryRevision} as current, clock_timestamp() as now
    from access_requests r, in_force f where r.id = ${requestId} and r.state = 'denied' for share of f`.execute(
    trx,
  );
  return rows[0];
};

/** A statement of its own after the lock: it sees what was lifted before. */
const lift = async (trx: Kysely<Tables>, requestId: string) => {
  const { rows } = await sql<{ scope: string; held_until: Date }>`
    update denials set lifted_at = clock_timestamp()
    where request_id = ${requestId} and lifted_at is null and held_until > clock_timestamp()
    returning scope, held_until`.execute(trx);
  return rows;
};

/**
 * Lifts the denial of every scope of one request. Refused, nothing changes, but that is told as `approval.refused` if
 * the request exists. Throws `DatabaseUnavailable` if nothing could be stored: then nothing was.
 */
export const liftDenial = (database: Database, lifting: Lifting): Promise<LiftOutcome> =>
  database.db.transaction().execute(async (trx): Promise<LiftOutcome> => {
    const request = await lockDenied(trx, lifting);
    if (request === undefined) return { refused: 'not_found' };
    if (!request.current) return { overtaken: true };
    const { requestId, reason, traceId } = lifting;
    const person = { tenant: lifting.person.tenant, object: lifting.person.object };
    const about = { requestId, agentId: request.agent_id, traceId };
    const barred = checkLifter(request.terms, lifting, request.now);
    const lifted = barred === undefined ? await lift(trx, requestId) : [];
    const [first] = lifted;
    if (first === undefined) {
      const refused = barred ?? 'denial_over';
      const data = { approver: person, verdict: 'lift', reason, refused };
      await appendEvents(trx, [{ ...about, name: 'approval.refused', data }]);
      return { refused };
    }
    const data = {
      person,
      roles: liftingRoles(request.terms, lifting.person.roles),
      reason,
      scopes: lifted.map(({ scope }) => scope).sort(),
      held_until: first.held_until.toISOString(),
    };
    await appendEvents(trx, [{ ...about, name: 'denial.lifted', data }]);
    return { outcome: 'lifted' };
  });
