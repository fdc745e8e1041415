/** What APIs report of the tokens they saw: each use told once, in the trace of the request it belongs to. */
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { AuditEvent } from '../audit/event.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';

/** One report of an API; `event_id` is the API's own and makes it safe to send again. */
export type TokenUse = {
  readonly eventId: string;
  readonly jti: string;
  readonly outcome: 'allowed' | 'refused';
  /** The HTTP status the API answered with. */
  readonly status: number;
  /** Why the API refused, by its resource-server's word for it; null: it told none. */
  readonly reason: string | null;
  /** When the use happened by the API's clock, RFC 3339. */
  readonly at: string;
  /** How many equal uses this one stands for. */
  readonly count: number;
};

type KnownToken = {
  jti: string;
  request_id: string;
  agent_id: string;
  audience: string;
  issued_at: Date;
  now: Date;
};

/** What is forgiven of an API's clock, as of Entra's. */
const CLOCK_TOLERANCE_MS = 30_000;

/** No token is used before it is issued, nor tomorrow: whoever could say so would write the trail of other days. */
const isTimely = (use: TokenUse, { issued_at, now }: KnownToken): boolean => {
  const at = Date.parse(use.at);
  return at >= issued_at.getTime() - CLOCK_TOLERANCE_MS && at <= now.getTime() + CLOCK_TOLERANCE_MS;
};

const claimOf = (audience: string, eventId: string): string => `${audience} ${eventId}`;

/** Claims what was not recorded before, in one order for everybody, so that reports that meet never wait in a circle. */
const claimUses = async (
  trx: Kysely<Tables>,
  uses: readonly { readonly use: TokenUse; readonly token: KnownToken }[],
): Promise<Set<string>> => {
  const { rows } = await sql<{ audience: string; event_id: string }>`
    insert into token_uses (audience, event_id, jti)
    select audience, event_id, jti
    from unnest(${uses.map(({ token }) => token.audience)}::text[], ${uses.map(({ use }) => use.eventId)}::text[],
      ${uses.map(({ use }) => use.jti)}::text[]) with ordinality as used (audience, event_id, jti, position)
    order by audience, event_id, position
    on conflict do nothing returning audience, event_id`.execute(trx);
  return new Set(rows.map(({ audience, event_id }) => claimOf(audience, event_id)));
};

/**
 * Records the uses of tokens whose audience is among `audiences`; others, and those recorded before, are left out.
 * Returns those that were recorded now; `untimely` if one cannot have been when it says, and then nothing is recorded.
 */
export const recordTokenUses = (
  database: Database,
  audiences: readonly string[],
  uses: readonly TokenUse[],
): Promise<readonly TokenUse[] | 'untimely'> =>
  database.db.transaction().execute(async (trx) => {
    const { rows } = await sql<KnownToken>`
      select t.jti, r.id as request_id, r.agent_id, r.audience, t.issued_at, now() as now
      from tokens t join grants g on g.id = t.grant_id join access_requests r on r.id = g.request_id
      where t.jti = any(${uses.map(({ jti }) => jti)}::text[]) and r.audience = any(${audiences}::text[])`.execute(
      trx,
    );
    const known = new Map(rows.map((token) => [token.jti, token]));
    const mine = uses.flatMap((use) => {
      const token = known.get(use.jti);
      return token === undefined ? [] : [{ use, token }];
    });
    if (!mine.every(({ use, token }) => isTimely(use, token))) return 'untimely';
    const claimed = await claimUses(trx, mine);
    const recorded: TokenUse[] = [];
    const events: AuditEvent[] = [];
    for (const { use, token } of mine) {
      if (!claimed.delete(claimOf(token.audience, use.eventId))) continue;
      recorded.push(use);
      events.push({
        name: 'token.used',
        requestId: token.request_id,
        agentId: token.agent_id,
        data: {
          jti: use.jti,
          audience: token.audience,
          outcome: use.outcome,
          status: use.status,
          ...(use.reason !== null && { reason: use.reason }),
          used_at: use.at,
          count: use.count,
        },
      });
    }
    await appendEvents(trx, events);
    return recorded;
  });
