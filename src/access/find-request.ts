/**
 * The one read of an exchange: what this agent's key already stands for, and which revisions are in force. Written for
 * any number of exchanges, because those of one moment share the statement.
 */
import type { Database, Statement } from '../storage/database.ts';
import type { Terms } from './request-digest.ts';
import type { CastVote } from './who-is-who.ts';

/** How a repeated exchange names its request. */
export type RequestKey =
  /** The agent's own idempotency key: `i:` and its `request_id`. Or `d:` and the request digest. */
  | { readonly kind: 'own' | 'digest'; readonly value: string }
  /** The broker's id of an earlier answer; only ever finds, and only within the agent. */
  | { readonly kind: 'broker'; readonly value: string };

export type RequestState = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'permitted';

/** The current credential under a grant. */
export type CurrentToken = {
  readonly jti: string;
  readonly kid: string;
  readonly state: 'ACTIVE' | 'ROTATED' | 'REVOKED';
  readonly issuedAt: Date;
  readonly expiresAt: Date;
};

export type FoundGrant = {
  readonly id: string;
  readonly state: 'offered' | 'active' | 'ended';
  readonly endedReason: 'expired' | 'revoked' | 'lapsed' | null;
  /** Who took it back; null: nobody, what was checked again held no longer, or its time was over. */
  readonly endedBy: 'operator' | 'agent' | 'block' | null;
  readonly tokenSeconds: number;
  /** Tokens that may still be minted; null: no limit but time. */
  readonly tokensLeft: number | null;
  readonly openedAt: Date;
  /** Null: it began when it was opened. */
  readonly startsAt: Date | null;
  readonly pickupUntil: Date;
  readonly approvedUntil: Date;
  readonly current: CurrentToken | null;
};

export type FoundRequest = {
  readonly id: string;
  readonly state: RequestState;
  readonly requestDigest: string;
  readonly terms: Terms;
  readonly termsDigest: string;
  /** The approvals that its grant rests on; none where policy permitted or people have not decided. */
  readonly approvals: readonly CastVote[];
  readonly expiresAt: Date;
  readonly grant: FoundGrant | null;
};

export type Found = {
  /** The database's clock at the read: every comparison with a stored time uses it. */
  readonly now: Date;
  readonly registryRevision: number;
  readonly policyRevision: string | null;
  readonly blocksRevision: number;
  readonly request: FoundRequest | null;
  /** The request whose denial by a person still holds for one of the scopes asked for. */
  readonly deniedBy: string | null;
};

/** The primary key under which `request_keys` holds an own key or a digest. */
export const storedKey = (key: RequestKey): string =>
  key.kind === 'own' ? `i:${key.value}` : `d:${key.value}`;

/**
 * Each `limit 1` tells the planner that there is one row, to be looked up by its key. Its plan is made once, when the
 * tables may still be empty: joined plainly, it would read them whole at every exchange ever after. Scopes come joined:
 * an array of arrays could not be ragged. Votes are read where people approved, nowhere else.
 */
export const FIND: Statement = {
  name: 'find-requests',
  text: `
select q.position, now() as now, f.registry_revision, f.policy_revision, f.blocks_revision,
  (select d.request_id from denials d
    where d.agent_id = q.agent_id and d.audience = q.audience and d.scope = any(string_to_array(q.scopes, ' '))
      and d.lifted_at is null and d.held_until > now() limit 1) as denied_by,
  r.id, r.state, r.request_digest, r.terms, r.terms_digest, r.expires_at,
  case when r.state = 'approved' then (
    select json_agg(json_build_object('tenant', v.approver_tenant, 'object', v.approver_object,
      'groups', coalesce(v.approver_groups, array[v.approver_group])))
    from votes v where v.request_id = r.id and v.terms_digest = r.terms_digest and v.verdict = 'approve') end as approvals,
  g.id as grant_id, g.state as grant_state, g.ended_reason, g.ended_by, g.token_seconds, g.tokens_left,
  g.opened_at, g.starts_at, g.pickup_until, g.approved_until,
  t.jti, t.kid, t.state as token_state, t.issued_at as token_issued_at, t.expires_at as token_expires_at
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  with ordinality as q (agent_id, key, request_id, audience, scopes, position)
cross join (select registry_revision, policy_revision, blocks_revision from in_force limit 1) f
left join lateral (
  select k.request_id from request_keys k where k.agent_id = q.agent_id and k.key = q.key limit 1) k on true
left join lateral (
  select * from access_requests r where r.id = coalesce(k.request_id, q.request_id) and r.agent_id = q.agent_id
  limit 1) r on true
left join lateral (select * from grants g where g.request_id = r.id limit 1) g on true
left join lateral (select * from tokens t where t.jti = g.current_jti limit 1) t on true`,
};

type FindRow = {
  /** Of the search that the row answers, from 1. */
  position: number;
  now: Date;
  registry_revision: number;
  policy_revision: string | null;
  blocks_revision: number;
  denied_by: string | null;
  id: string | null;
  state: RequestState;
  request_digest: string;
  terms: Terms;
  terms_digest: string;
  approvals: CastVote[] | null;
  expires_at: Date;
  grant_id: string | null;
  grant_state: FoundGrant['state'];
  ended_reason: FoundGrant['endedReason'];
  ended_by: FoundGrant['endedBy'];
  token_seconds: number;
  tokens_left: number | null;
  opened_at: Date;
  starts_at: Date | null;
  pickup_until: Date;
  approved_until: Date;
  jti: string | null;
  kid: string;
  token_state: CurrentToken['state'];
  token_issued_at: Date;
  token_expires_at: Date;
};

const currentOf = (row: FindRow): CurrentToken | null =>
  row.jti === null
    ? null
    : {
        jti: row.jti,
        kid: row.kid,
        state: row.token_state,
        issuedAt: row.token_issued_at,
        expiresAt: row.token_expires_at,
      };

const grantOf = (row: FindRow): FoundGrant | null =>
  row.grant_id === null
    ? null
    : {
        id: row.grant_id,
        state: row.grant_state,
        endedReason: row.ended_reason,
        endedBy: row.ended_by,
        tokenSeconds: row.token_seconds,
        tokensLeft: row.tokens_left,
        openedAt: row.opened_at,
        startsAt: row.starts_at,
        pickupUntil: row.pickup_until,
        approvedUntil: row.approved_until,
        current: currentOf(row),
      };

const requestOf = (row: FindRow): FoundRequest | null =>
  row.id === null
    ? null
    : {
        id: row.id,
        state: row.state,
        requestDigest: row.request_digest,
        terms: row.terms,
        termsDigest: row.terms_digest,
        approvals: row.approvals ?? [],
        expiresAt: row.expires_at,
        grant: grantOf(row),
      };

/** What to find, for whom, and for what: a denial holds for any of its scopes. */
export type Search = {
  readonly key: RequestKey;
  readonly agentId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
};

const foundOf = (row: FindRow | undefined): Found => {
  if (row === undefined) throw new Error('the in_force row is missing');
  return {
    now: row.now,
    registryRevision: row.registry_revision,
    policyRevision: row.policy_revision,
    blocksRevision: row.blocks_revision,
    request: requestOf(row),
    deniedBy: row.denied_by,
  };
};

/** Reads what each key stands for within its agent, and any denial that holds for what is asked now. */
export const findRequests = async (database: Database, searches: readonly Search[]): Promise<Found[]> => {
  const rows = await database.query<FindRow>(FIND, [
    searches.map(({ agentId }) => agentId),
    searches.map(({ key }) => (key.kind === 'broker' ? null : storedKey(key))),
    searches.map(({ key }) => (key.kind === 'broker' ? key.value : null)),
    searches.map(({ audience }) => audience),
    searches.map(({ scopes }) => scopes.join(' ')),
  ]);
  const byPosition = new Map(rows.map((row) => [row.position, row]));
  return searches.map((_, index) => foundOf(byPosition.get(index + 1)));
};
