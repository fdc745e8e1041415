/** What APIs report of the tokens they saw: each use told once, in the trace of the request it belongs to. */
import { sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { AuditEvent } from '../audit/event.ts';
import type { Database } from '../storage/database.ts';

/** One report of an API; `event_id` is the API's own and makes it safe to send again. */
export type TokenUse = {
  readonly eventId: string;
  readonly jti: string;
  readonly outcome: 'allowed' | 'refused';
  /** The HTTP status the API answered with. */
  readonly status: number;
  /** When the use happened by the API's clock, RFC 3339. */
  readonly at: string;
  /** How many equal uses this one stands for. */
  readonly count: number;
};

type KnownToken = { jti: string; request_id: string; agent_id: string; audience: string };

/**
 * Records the uses of tokens whose audience is among `audiences`; others, and those recorded before, are left out.
 * Returns how many were recorded now.
 */
export const recordTokenUses = (
  database: Database,
  audiences: readonly string[],
  uses: readonly TokenUse[],
): Promise<number> =>
  database.db.transaction().execute(async (trx) => {
    const { rows } = await sql<KnownToken>`
      select t.jti, r.id as request_id, r.agent_id, r.audience
      from tokens t join grants g on g.id = t.grant_id join access_requests r on r.id = g.request_id
      where t.jti = any(${uses.map(({ jti }) => jti)}::text[]) and r.audience = any(${audiences}::text[])`.execute(
      trx,
    );
    const known = new Map(rows.map((token) => [token.jti, token]));
    const events: AuditEvent[] = [];
    for (const use of uses) {
      const token = known.get(use.jti);
      if (token === undefined) continue;
      const { numInsertedOrUpdatedRows } = await trx
        .insertInto('token_uses')
        .values({ audience: token.audience, event_id: use.eventId, jti: use.jti })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      if (!numInsertedOrUpdatedRows) continue;
      events.push({
        name: 'token.used',
        requestId: token.request_id,
        agentId: token.agent_id,
        data: {
          jti: use.jti,
          audience: token.audience,
          outcome: use.outcome,
          status: use.status,
          used_at: use.at,
          count: use.count,
        },
      });
    }
    await appendEvents(trx, events);
    return events.length;
  });
