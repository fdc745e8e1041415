/**
 * The edges that end things: a pending request expires, a grant expires, lapses or is revoked. Each is one statement
 * whose condition reads the rows it changes, so it happens once, whoever notices first: a poll or the sweeper.
 */
import { CompiledQuery, sql } from 'kysely';
import type { AuditEvent, JsonObject } from '../audit/event.ts';
import { eventRows, eventValues } from '../audit/event.ts';
import { logFrom, mayBeTaken } from '../revocation/revocation-log.ts';
import type { Database, Statement } from '../storage/database.ts';
import type { FoundGrant } from './find-request.ts';

/** A request, with its grant where it has one. */
export type Ending = {
  readonly requestId: string;
  readonly agentId: string;
  readonly grantId: string | null;
};

/** Tells of those that the statement really ended: `ended` has their request ids. */
const TELL = `
told as (
  insert into audit_events (name, request_id, agent_id, body)
  select event.name, event.request_id, event.agent_id, event.body
  from ended join ${eventRows(2)} on event.request_id = ended.request_id
)`;

const EXPIRE_REQUESTS: Statement = {
  name: 'expire-requests',
  text: `with ended as (
  update access_requests set state = 'expired', decided_at = now()
  where id = any($1::text[]) and state = 'pending' and expires_at <= now()
  returning id as request_id
), ${TELL} select request_id from ended`,
};

const EXPIRE_GRANTS: Statement = {
  name: 'expire-grants',
  text: `with ended as (
  update grants set state = 'ended', ended_reason = 'expired', ended_at = now()
  where id = any($1::text[]) and state = 'active' and approved_until <= now()
  returning request_id
), ${TELL} select request_id from ended`,
};

const CANCEL_REQUESTS: Statement = {
  name: 'cancel-requests',
  text: `with ended as (
  update access_requests set state = 'cancelled', decided_at = now()
  where id = any($1::text[]) and state = 'pending'
  returning id as request_id
), ${TELL} select request_id from ended`,
};

const LAPSE_GRANTS: Statement = {
  name: 'lapse-grants',
  text: `with ended as (
  update grants set state = 'ended', ended_reason = 'lapsed', ended_at = now()
  where id = any($1::text[]) and state = 'offered' and least(pickup_until, approved_until) <= now()
  returning request_id
), ${TELL} select request_id from ended`,
};

/** Of its tokens those that some clock may still take for good; the rest is over by itself. */
const REVOKE_GRANTS = `with ended as (
  update grants set state = 'ended', ended_reason = 'revoked', ended_at = now(), ended_by = $8
  where id = any($1::text[]) and state <> 'ended'
  returning id, request_id
), revoked as (
  update tokens t set state = 'REVOKED' from ended where t.grant_id = ended.id and t.state <> 'REVOKED'
    and ${mayBeTaken('t')}
  returning 'token' as kind, t.jti as subject, t.expires_at as until
), ${logFrom('revoked')}, ${TELL} select request_id from ended`;

type Told = {
  readonly name: AuditEvent['name'];
  readonly ids: readonly string[];
  readonly data: JsonObject;
};

/** The events of those that may end, as the parameters of `TELL`. */
const eventsOf = (endings: readonly Ending[], { name, data }: Told): unknown[] =>
  eventValues(
    endings.map(
      ({ requestId, agentId, grantId }): AuditEvent => ({
        name,
        requestId,
        agentId,
        data: grantId === null ? data : { ...data, grant_id: grantId },
      }),
    ),
    new Date(),
  );

const end = async (
  database: Database,
  statement: Statement,
  endings: readonly Ending[],
  told: Told,
): Promise<number> => (await database.query(statement, [told.ids, ...eventsOf(endings, told)])).length;

const grantIds = (endings: readonly Ending[]): string[] => endings.flatMap(({ grantId }) => grantId ?? []);

/** `pending -> expired` for those whose time is over. Returns how many this call moved. */
export const expireRequests = (database: Database, endings: readonly Ending[]): Promise<number> =>
  end(database, EXPIRE_REQUESTS, endings, {
    name: 'request.expired',
    ids: endings.map(({ requestId }) => requestId),
    data: {},
  });

/** `active -> ended(expired)` for those whose time is over. Returns how many this call moved. */
export const expireGrants = (database: Database, endings: readonly Ending[]): Promise<number> =>
  end(database, EXPIRE_GRANTS, endings, {
    name: 'grant.ended',
    ids: grantIds(endings),
    data: { reason: 'expired' },
  });

/** `offered -> ended(lapsed)` for those nobody picked up in time. Returns how many this call moved. */
export const lapseGrants = (database: Database, endings: readonly Ending[]): Promise<number> =>
  end(database, LAPSE_GRANTS, endings, {
    name: 'grant.ended',
    ids: grantIds(endings),
    data: { reason: 'lapsed' },
  });

/** Who took it back and why, for the trail. */
export type Cause = { readonly by: string; readonly cause: string };

/** `pending -> cancelled`. Returns how many this call moved. */
export const cancelRequests = (
  database: Database,
  endings: readonly Ending[],
  { by, cause }: Cause,
): Promise<number> =>
  end(database, CANCEL_REQUESTS, endings, {
    name: 'request.cancelled',
    ids: endings.map(({ requestId }) => requestId),
    data: { by, cause },
  });

/**
 * Ends grants before their time, their tokens with them. Returns how many this call moved. The grants are locked by a
 * statement of its own: one that waits for a mint under way would not see the token that it inserted.
 */
export const revokeGrants = (
  database: Database,
  endings: readonly Ending[],
  { by, cause, endedBy }: Cause & { readonly endedBy: FoundGrant['endedBy'] },
): Promise<number> =>
  database.db.transaction().execute(async (trx) => {
    const ids = grantIds(endings);
    await sql`select from grants where id = any(${ids}::text[]) order by id for update`.execute(trx);
    const told = { name: 'grant.ended', ids, data: { reason: 'revoked', by, cause } } as const;
    const { rows } = await trx.executeQuery(
      CompiledQuery.raw(REVOKE_GRANTS, [ids, ...eventsOf(endings, told), endedBy]),
    );
    return rows.length;
  });
