/**
 * Opening access requests: one statement that claims the key, writes the request with its events and, when policy
 * permits by itself, the grant and its first token. The claim on `request_keys` decides between two callers: the
 * loser's request is not written and the caller reads what the winner opened. Written for any number of requests,
 * because those of one moment share the statement and its commit; locks are taken in one order.
 */
import { type AuditEvent, eventRows, eventValues } from '../audit/event.ts';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import type { RequestId } from '../ids.ts';
import type { Decision } from '../policy/decision.ts';
import type { Database, Statement } from '../storage/database.ts';
import { type RequestKey, storedKey } from './find-request.ts';
import { type DecidedOn, demandInForce, unlessOvertaken } from './guard.ts';
import { SINGLED } from './opened-assertions.ts';
import type { Asked, Terms } from './request-digest.ts';
import { spendFrom } from './used-proofs.ts';

export type Opening = {
  readonly on: DecidedOn;
  readonly requestId: RequestId;
  readonly key: RequestKey & { readonly kind: 'own' | 'digest' };
  /** The request the key stood for when it was read, which this one replaces; null if none. */
  readonly replaces: string | null;
  readonly asked: Asked;
  /** Digest of the proof of `asked.proofKey` that is used for this, null without. */
  readonly proof: string | null;
  readonly justification: string | null;
  readonly requestedSeconds: number | null;
  readonly workload: VerifiedWorkload;
  readonly decision: Decision;
  readonly terms: Terms;
  readonly termsDigest: string;
  /** The grant and the first token of what policy permits; null: the request waits for people. */
  readonly permitted: { readonly grantId: string; readonly jti: string; readonly kid: string } | null;
  readonly events: readonly AuditEvent[];
};

/** `iat` and `exp` as the inserting statement set them. */
export type Minted = { readonly issuedAt: Date; readonly expiresAt: Date };

/** Until when the request waits or its grant lasts, and the token of a permitted one. */
export type Opened = { readonly expiresAt: Date; readonly token: Minted | null };

/**
 * Each request has the guard of `guard.ts`. A token's times are whole seconds of the database's clock; its grant never
 * ends before it, and the first token counts against `max_tokens`.
 */
const openStatement = (
  name: string,
  { columns = '', singled = '', spent = '' }: { columns?: string; singled?: string; spent?: string },
): Statement => ({
  name,
  text: `
with asked as materialized (
  select * from json_to_recordset($1::json) as asked (agent_id text, registry_revision bigint, policy_revision text,
    blocks_revision bigint, id text, key text, replaces text, audience text, scopes text[], authorization_details jsonb, proof_key text,
    request_digest text, justification text, requested_seconds integer, workload jsonb, decision jsonb, terms jsonb,
    terms_digest text, quorum smallint, open_seconds integer, grant_id text, token_seconds integer, max_tokens integer,
    jti text, kid text${columns})
), guard as (
  select asked.* from asked join agents a on a.id = asked.agent_id cross join in_force f
  where a.enabled and a.revision <= asked.registry_revision
    and f.registry_revision = asked.registry_revision and f.policy_revision = asked.policy_revision
    and f.blocks_revision = asked.blocks_revision
  order by asked.agent_id, asked.key for key share of a
), claimed as (
  insert into request_keys as k (agent_id, key, request_id)
  select guard.agent_id, guard.key, guard.id from guard
  where (select d.request_id from denials d where d.agent_id = guard.agent_id and d.audience = guard.audience
    and d.scope = any(guard.scopes) and d.lifted_at is null and d.held_until > now() limit 1) is null
  on conflict (agent_id, key) do update set request_id = excluded.request_id
    where k.request_id = (select asked.replaces from asked where asked.id = excluded.request_id)
  returning k.request_id
)${singled}, opened as (
  insert into access_requests (id, agent_id, audience, scopes, authorization_details, proof_key, request_digest,
    justification, requested_seconds, workload, registry_revision, decision, terms, terms_digest, quorum, state,
    expires_at, decided_at)
  select a.id, a.agent_id, a.audience, a.scopes, a.authorization_details, a.proof_key, a.request_digest,
    a.justification, a.requested_seconds, a.workload, a.registry_revision, a.decision, a.terms, a.terms_digest, a.quorum,
    case when a.jti is null then 'pending' else 'permitted' end, now() + make_interval(secs => a.open_seconds),
    case when a.jti is not null then now() end
  from ${singled === '' ? 'claimed' : 'singled'} c join asked a on a.id = c.request_id
  returning id, expires_at
), granted as (
  insert into grants (id, request_id, agent_id, terms_digest, state, approver_groups, token_seconds, tokens_left,
    pickup_until, approved_until, current_jti)
  select a.grant_id, a.id, a.agent_id, a.terms_digest, 'active', '{}', a.token_seconds, a.max_tokens - 1,
    opened.expires_at, opened.expires_at, a.jti
  from opened join asked a on a.id = opened.id where a.jti is not null
  returning request_id, current_jti
), minted as (
  insert into tokens (jti, grant_id, kid, state, issued_at, expires_at)
  select a.jti, a.grant_id, a.kid, 'ACTIVE', date_trunc('second', now()),
    date_trunc('second', now()) + make_interval(secs => a.token_seconds)
  from granted join asked a on a.id = granted.request_id
  returning jti, issued_at, expires_at
), told as (
  insert into audit_events (name, request_id, agent_id, body)
  select event.name, event.request_id, event.agent_id, event.body
  from opened join ${eventRows(2)} on event.request_id = opened.id
  order by event.position
)${spent}
select opened.id, opened.expires_at, minted.issued_at as token_issued_at, minted.expires_at as token_expires_at,
  ${demandInForce('a.registry_revision', 'a.policy_revision', 'a.blocks_revision')}
from opened join asked a on a.id = opened.id left join granted on granted.request_id = opened.id left join minted on minted.jti = granted.current_jti`,
});

const OPENED = 'opened join asked a on a.id = opened.id';

export const OPEN = openStatement('open-requests', {});
export const OPEN_PROVEN = openStatement('open-proven-requests', {
  columns: ', proof text',
  spent: `, ${spendFrom(OPENED, 'a.proof')}`,
});
/** With proofs or without. */
export const OPEN_SINGLE = openStatement('open-single-requests', {
  columns: ', proof text, tenant_id uuid, assertion_id text, assertion_expires_at bigint',
  singled: `, ${SINGLED}`,
  spent: `, ${spendFrom(`${OPENED} where a.proof is not null`, 'a.proof')}`,
});

const statementFor = (openings: readonly Opening[]): Statement => {
  if (openings.some(({ workload }) => workload.strictReplay)) return OPEN_SINGLE;
  return openings.some(({ proof }) => proof !== null) ? OPEN_PROVEN : OPEN;
};

const rowOf = ({ on, asked, terms, permitted, ...opening }: Opening) => ({
  agent_id: on.agentId,
  registry_revision: on.registryRevision,
  policy_revision: on.policyRevision,
  blocks_revision: on.blocksRevision,
  id: opening.requestId,
  key: storedKey(opening.key),
  replaces: opening.replaces,
  audience: asked.audience,
  scopes: asked.scopes,
  authorization_details: asked.authorizationDetails,
  proof_key: asked.proofKey,
  request_digest: terms.request_digest,
  justification: opening.justification,
  requested_seconds: opening.requestedSeconds,
  workload: opening.workload,
  decision: opening.decision,
  terms,
  terms_digest: opening.termsDigest,
  quorum: terms.quorum,
  open_seconds: permitted === null ? opening.decision.approval?.pendingSeconds : terms.grant_seconds,
  grant_id: permitted?.grantId,
  token_seconds: terms.token_seconds,
  max_tokens: terms.max_tokens,
  jti: permitted?.jti,
  kid: permitted?.kid,
  proof: opening.proof ?? undefined,
  ...(opening.workload.strictReplay && {
    tenant_id: opening.workload.tenantId,
    assertion_id: opening.workload.assertionId,
    assertion_expires_at: opening.workload.expiresAt,
  }),
});

type OpenedRow = {
  readonly id: string;
  readonly expires_at: Date;
  readonly token_issued_at: Date | null;
  readonly token_expires_at: Date | null;
};

const openedOf = (row: OpenedRow): Opened => ({
  expiresAt: row.expires_at,
  token:
    row.token_issued_at === null || row.token_expires_at === null
      ? null
      : { issuedAt: row.token_issued_at, expiresAt: row.token_expires_at },
});

/**
 * Opens requests, each with a key of its own among them, all with proofs or none and all of tenants with strict replay or
 * none. Null for one that was not opened: somebody else was faster, a denial holds, the agent is disabled or the
 * revisions moved; read again. Throws what `isReplay` or `isAssertionReplay` recognizes if a proof was used before, or
 * an assertion has another request open: then none was opened.
 */
export const openRequests = async (
  database: Pick<Database, 'query'>,
  openings: readonly Opening[],
): Promise<(Opened | null)[]> => {
  const opened = await unlessOvertaken(openOrThrow(database, openings));
  return openings.map((_, index) => opened[index] ?? null);
};

/** The same within a transaction, which what was overtaken has to end: that is thrown for `unlessOvertaken` around it. */
export const openOrThrow = async (
  database: Pick<Database, 'query'>,
  openings: readonly Opening[],
): Promise<(Opened | null)[]> => {
  const events = openings.flatMap((opening) => opening.events);
  const rows = await database.query<OpenedRow>(statementFor(openings), [
    JSON.stringify(openings.map(rowOf)),
    ...eventValues(events, new Date()),
  ]);
  const byId = new Map(rows.map((row) => [row.id, openedOf(row)]));
  return openings.map(({ requestId }) => byId.get(requestId) ?? null);
};
