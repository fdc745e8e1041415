/**
 * Opening an access request: one statement that claims the key, writes the request with its events and, when policy
 * permits by itself, the grant and its first token. The claim on `request_keys` decides between two callers: the
 * loser's statement writes nothing and the caller reads what the winner opened.
 */
import type { AuditEvent } from '../audit/event.ts';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import type { RequestId } from '../ids.ts';
import type { Decision } from '../policy/decision.ts';
import type { Database, Statement } from '../storage/database.ts';
import { type RequestKey, storedKey } from './find-request.ts';
import { type DecidedOn, GUARD, guardValues, tellFrom } from './guard.ts';
import type { Asked, Terms } from './request-digest.ts';

export type Opening = {
  readonly requestId: RequestId;
  readonly key: RequestKey & { readonly kind: 'own' | 'digest' };
  /** The request the key stood for when it was read, which this one replaces; null if none. */
  readonly replaces: string | null;
  readonly asked: Asked;
  readonly justification: string | null;
  readonly requestedSeconds: number | null;
  readonly workload: VerifiedWorkload;
  readonly decision: Decision;
  readonly terms: Terms;
  readonly termsDigest: string;
  readonly events: readonly AuditEvent[];
};

/** `iat` and `exp` as the inserting statement set them. */
export type Minted = { readonly issuedAt: Date; readonly expiresAt: Date };

const OPENED = `
claimed as (
  insert into request_keys as k (agent_id, key, request_id)
  select guard.id, $8, $9 from guard
  where not exists (select from denials d where d.agent_id = $1 and d.audience = $11 and d.scope = any($12::text[])
    and d.lifted_at is null and d.held_until > now())
  on conflict (agent_id, key) do update set request_id = excluded.request_id where k.request_id = $10
  returning k.request_id
), opened as (
  insert into access_requests (id, agent_id, audience, scopes, authorization_details, proof_key, request_digest,
    justification, requested_seconds, workload, registry_revision, decision, terms, terms_digest, quorum, state,
    expires_at, decided_at)
  select claimed.request_id, $1, $11, $12, $13, $14, $15, $16, $17, $18, $2, $19, $20, $21, $22, $23,
    now() + make_interval(secs => $24), case when $23 = 'permitted' then now() end
  from claimed
  returning id, expires_at
)`;

const openingValues = (on: DecidedOn, opening: Opening, state: string, openSeconds: number): unknown[] => [
  ...guardValues(on, opening.events, new Date()),
  storedKey(opening.key),
  opening.requestId,
  opening.replaces,
  opening.asked.audience,
  opening.asked.scopes,
  JSON.stringify(opening.asked.authorizationDetails),
  opening.asked.proofKey,
  opening.terms.request_digest,
  opening.justification,
  opening.requestedSeconds,
  JSON.stringify(opening.workload),
  JSON.stringify(opening.decision),
  JSON.stringify(opening.terms),
  opening.termsDigest,
  opening.terms.quorum,
  state,
  openSeconds,
];

const OPEN_PENDING: Statement = {
  name: 'open-pending',
  text: `with ${GUARD}, ${OPENED}, ${tellFrom('opened')} select expires_at from opened`,
};

/** Opens a request that waits for people. Null: somebody else was faster or the revisions moved; read again. */
export const openPending = async (
  database: Database,
  on: DecidedOn,
  opening: Opening,
): Promise<{ readonly expiresAt: Date } | null> => {
  const pendingSeconds = opening.decision.approval?.pendingSeconds;
  if (pendingSeconds === undefined) throw new Error('a pending request needs approval terms');
  const rows = await database.query<{ expires_at: Date }>(
    OPEN_PENDING,
    openingValues(on, opening, 'pending', pendingSeconds),
  );
  return rows[0] === undefined ? null : { expiresAt: rows[0].expires_at };
};

/**
 * A token's times are whole seconds of the database's clock. Its grant never ends before it, and the first token
 * counts against `max_tokens`.
 */
const OPEN_PERMITTED: Statement = {
  name: 'open-permitted',
  text: `with ${GUARD}, ${OPENED}, granted as (
  insert into grants (id, request_id, agent_id, terms_digest, state, approver_groups, token_seconds, tokens_left,
    pickup_until, approved_until, current_jti)
  select $25, opened.id, $1, $21, 'active', '{}', $26, $27::integer - 1, opened.expires_at, opened.expires_at, $28
  from opened
  returning id
), minted as (
  insert into tokens (jti, grant_id, kid, state, issued_at, expires_at)
  select $28, granted.id, $29, 'ACTIVE', date_trunc('second', now()),
    date_trunc('second', now()) + make_interval(secs => $26)
  from granted
  returning issued_at, expires_at
), ${tellFrom('minted')} select issued_at, expires_at from minted`,
};

/** Opens a permitted request with its grant and first token. Null as for `openPending`. */
export const openPermitted = async (
  database: Database,
  on: DecidedOn,
  opening: Opening & { readonly grantId: string; readonly jti: string; readonly kid: string },
): Promise<Minted | null> => {
  const rows = await database.query<{ issued_at: Date; expires_at: Date }>(OPEN_PERMITTED, [
    ...openingValues(on, opening, 'permitted', opening.terms.grant_seconds),
    opening.grantId,
    opening.terms.token_seconds,
    opening.terms.max_tokens,
    opening.jti,
    opening.kid,
  ]);
  return rows[0] === undefined ? null : { issuedAt: rows[0].issued_at, expiresAt: rows[0].expires_at };
};
