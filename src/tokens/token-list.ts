/** Reading tokens: all of them by filter, the longest living first, and one with its lineage under the grant. */
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import type { GrantEnd, GrantState } from '../storage/tables.ts';

/** What a token is by the database's clock: that it expired is written nowhere. */
export type TokenPhase = 'ACTIVE' | 'ROTATED' | 'EXPIRED' | 'REVOKED';

export const TOKEN_PHASES: readonly TokenPhase[] = ['ACTIVE', 'ROTATED', 'EXPIRED', 'REVOKED'];

export type ListedToken = {
  readonly jti: string;
  readonly phase: TokenPhase;
  readonly agentId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly requestId: string;
  readonly grantId: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** The token that took over, if one did. */
  readonly successor: string | null;
};

/** Null: any. */
export type TokenFilter = {
  readonly jti: string | null;
  readonly agent: string | null;
  readonly audience: string | null;
  readonly request: string | null;
  readonly phase: TokenPhase | null;
};

export type TokenPart = {
  readonly items: readonly ListedToken[];
  /** `after` of the following page. */
  readonly next: string | null;
  /** The database's clock at the read. */
  readonly now: Date;
};

export type TokenLineage = {
  readonly token: ListedToken;
  readonly grant: {
    readonly state: GrantState;
    readonly endedReason: GrantEnd | null;
    readonly approvedUntil: Date;
  };
  /** Every token of the grant in order of issue, this one among them; of very many the last. */
  readonly tokens: readonly ListedToken[];
  readonly now: Date;
};

/** Tokens of one grant that are shown: an hour of tokens of 45 s, with room. */
const LINEAGE_MAX = 100;

type Row = ListedToken & { readonly now: Date };

const COLUMNS = sql`
  t.jti, case when t.state <> 'REVOKED' and t.expires_at <= now() then 'EXPIRED' else t.state end as phase,
  r.agent_id as "agentId", r.audience, r.terms->'scopes' as scopes, r.id as "requestId", t.grant_id as "grantId",
  t.issued_at as "issuedAt", t.expires_at as "expiresAt", t.successor_jti as successor, now() as now`;

const FROM = sql`from tokens t join grants g on g.id = t.grant_id join access_requests r on r.id = g.request_id`;

const PHASES = {
  ACTIVE: sql`t.state = 'ACTIVE' and t.expires_at > now()`,
  ROTATED: sql`t.state = 'ROTATED' and t.expires_at > now()`,
  EXPIRED: sql`t.state <> 'REVOKED' and t.expires_at <= now()`,
  REVOKED: sql`t.state = 'REVOKED'`,
} as const;

/**
 * Tokens that match, the one that lives longest first. `after` is the `jti` that the page before ended with; a token's
 * expiry never changes, so that says where. Throws `DatabaseUnavailable`.
 */
export const listTokens = async (
  database: Pick<Database, 'pages'>,
  filter: TokenFilter,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): Promise<TokenPart> => {
  const conditions = [sql`true`];
  if (filter.jti !== null) conditions.push(sql`t.jti = ${filter.jti}`);
  if (filter.agent !== null) conditions.push(sql`g.agent_id = ${filter.agent}`);
  if (filter.audience !== null) conditions.push(sql`r.audience = ${filter.audience}`);
  if (filter.request !== null) conditions.push(sql`g.request_id = ${filter.request}`);
  if (filter.phase !== null) conditions.push(PHASES[filter.phase]);
  if (after !== null)
    conditions.push(sql`(t.expires_at, t.jti) < (select expires_at, jti from tokens where jti = ${after})`);
  const { rows } = await sql<Row>`
    select ${COLUMNS} ${FROM} where ${sql.join(conditions, sql` and `)}
    order by t.expires_at desc, t.jti desc limit ${limit + 1}`.execute(database.pages);
  const items = rows.slice(0, limit);
  return {
    items,
    next: rows.length > limit ? (items.at(-1)?.jti ?? null) : null,
    now: rows[0]?.now ?? new Date(),
  };
};

type GrantRow = Row & TokenLineage['grant'];

/** One token and those before and after it; null if it is unknown. Throws `DatabaseUnavailable`. */
export const findLineage = async (
  database: Pick<Database, 'pages'>,
  jti: string,
): Promise<TokenLineage | null> => {
  const found = await sql<GrantRow>`
    select ${COLUMNS}, g.state, g.ended_reason as "endedReason", g.approved_until as "approvedUntil"
    ${FROM} where t.jti = ${jti}`.execute(database.pages);
  const [row] = found.rows;
  if (row === undefined) return null;
  const { state, endedReason, approvedUntil, now, ...token } = row;
  const { rows } = await sql<Row>`
    select ${COLUMNS} ${FROM} where t.grant_id = ${token.grantId}
    order by t.issued_at desc, t.successor_jti is null desc, t.jti limit ${LINEAGE_MAX}`.execute(
    database.pages,
  );
  return { token, grant: { state, endedReason, approvedUntil }, tokens: rows.toReversed(), now };
};
