/**
 * What a token stands for as long as it is good: one read, hence one moment, of everything that may have taken it
 * back. Nothing that a replica remembers counts here, so an answer is never older than the question. Questions of one
 * moment share the read: however many APIs ask, the connections are left to the exchanges.
 */
import type { AuthorizationDetails, Environment } from '../registry/registry.ts';
import type { Database, Statement } from '../storage/database.ts';
import { grouped } from '../storage/grouped.ts';
import type { Terms } from './request-digest.ts';

/** What `alias` names is the token's agent, its API, its environment, or everything. */
const concerns = (alias: string): string => `(${alias}.kind = 'global'
    or ${alias}.kind = 'agent' and ${alias}.subject = r.agent_id
    or ${alias}.kind = 'audience' and ${alias}.subject = q.audience
    or ${alias}.kind = 'environment' and ${alias}.subject = q.environment)`;

/**
 * Each `limit 1` has the planner look the row up by its key, see `src/access/find-request.ts`. A key that was withdrawn
 * is erased, and what it signed is worth nothing from that commit on, marked or not.
 */
export const FIND_LIVE_TOKEN: Statement = {
  name: 'find-live-token',
  text: `
select q.position, r.id as request_id, r.agent_id, r.terms, r.proof_key, t.kid, t.issued_at, t.expires_at
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as q (jti, audience, environment, position)
cross join lateral (select * from tokens where jti = q.jti limit 1) t
cross join lateral (select * from grants where id = t.grant_id limit 1) g
cross join lateral (select * from access_requests where id = g.request_id limit 1) r
cross join lateral (select enabled from agents where id = r.agent_id limit 1) a
cross join lateral (select private_key_encrypted from signing_keys where kid = t.kid limit 1) k
where r.audience = q.audience and t.state <> 'REVOKED' and t.expires_at > now() and g.state <> 'ended' and a.enabled
  and k.private_key_encrypted is not null
  and not exists (select from blocks b where b.lifted_at is null and ${concerns('b')})
  and not exists (select from revocations n where n.until >= t.issued_at and ${concerns('n')})`,
};

type Row = {
  /** Of the question that the row answers, from 1. */
  readonly position: number;
  readonly request_id: string;
  readonly agent_id: string;
  readonly terms: Terms;
  readonly proof_key: string | null;
  readonly kid: string;
  readonly issued_at: Date;
  readonly expires_at: Date;
};

export type LiveToken = {
  readonly requestId: string;
  readonly agentId: string;
  readonly scopes: readonly string[];
  readonly authorizationDetails: AuthorizationDetails;
  readonly proofKey: string | null;
  /** The key that signed it. */
  readonly kid: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
};

/** A token by its id, and the API that it must be for. */
export type LiveTokenQuestion = {
  readonly jti: string;
  readonly audience: string;
  readonly environment: Environment;
};

const liveTokenOf = (row: Row): LiveToken => ({
  requestId: row.request_id,
  agentId: row.agent_id,
  scopes: row.terms.scopes,
  authorizationDetails: row.terms.authorization_details,
  proofKey: row.proof_key,
  kid: row.kid,
  issuedAt: row.issued_at,
  expiresAt: row.expires_at,
});

const findLiveTokens = async (
  database: Database,
  questions: readonly LiveTokenQuestion[],
): Promise<(LiveToken | null)[]> => {
  const rows = await database.query<Row>(FIND_LIVE_TOKEN, [
    questions.map(({ jti }) => jti),
    questions.map(({ audience }) => audience),
    questions.map(({ environment }) => environment),
  ]);
  const found = new Map(rows.map((row) => [row.position, liveTokenOf(row)]));
  return questions.map((_, index) => found.get(index + 1) ?? null);
};

/** Finds the token of an id for an API in its environment. */
export type FindLiveToken = (question: LiveTokenQuestion) => Promise<LiveToken | null>;

/**
 * The function answers null if there is none, it is expired or revoked, its grant has ended, its agent is disabled, its
 * key was withdrawn, or a block or a not-before refuses it. It throws `DatabaseUnavailable`.
 */
export const openLiveTokens = (database: Database): FindLiveToken =>
  grouped({ run: (questions) => findLiveTokens(database, questions) });
