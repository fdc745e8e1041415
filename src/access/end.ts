/**
 * The edges that end things: a pending request expires, a grant expires, lapses or is revoked. Each is one statement
 * whose condition reads the row it changes, so it happens once, whoever notices first: a poll or the sweeper.
 */
import type { AuditEvent } from '../audit/event.ts';
import { eventColumns } from '../audit/event.ts';
import type { Database, Statement } from '../storage/database.ts';

const TELL = `
told as (
  insert into audit_events (name, request_id, agent_id, body)
  select event.name, event.request_id, event.agent_id, event.body
  from ended, unnest($2::text[], $3::text[], $4::text[], $5::bytea[]) as event (name, request_id, agent_id, body)
)`;

const EXPIRE_REQUEST: Statement = {
  name: 'expire-request',
  text: `with ended as (
  update access_requests set state = 'expired', decided_at = now()
  where id = $1 and state = 'pending' and expires_at <= now()
  returning id
), ${TELL} select id from ended`,
};

const END_GRANT: Record<'expired' | 'lapsed', Statement> = {
  expired: {
    name: 'expire-grant',
    text: `with ended as (
  update grants set state = 'ended', ended_reason = 'expired', ended_at = now()
  where id = $1 and state = 'active' and approved_until <= now()
  returning id
), ${TELL} select id from ended`,
  },
  lapsed: {
    name: 'lapse-grant',
    text: `with ended as (
  update grants set state = 'ended', ended_reason = 'lapsed', ended_at = now()
  where id = $1 and state = 'offered' and least(pickup_until, approved_until) <= now()
  returning id
), ${TELL} select id from ended`,
  },
};

const REVOKE_GRANT: Statement = {
  name: 'revoke-grant',
  text: `with ended as (
  update grants set state = 'ended', ended_reason = 'revoked', ended_at = now()
  where id = $1 and state <> 'ended'
  returning id
), revoked as (
  update tokens t set state = 'REVOKED' from ended where t.grant_id = ended.id and t.state <> 'REVOKED'
), ${TELL} select id from ended`,
};

const end = async (
  database: Database,
  statement: Statement,
  id: string,
  event: AuditEvent,
): Promise<boolean> => {
  const { names, requestIds, agentIds, bodies } = eventColumns([event], new Date());
  const rows = await database.query(statement, [id, names, requestIds, agentIds, bodies]);
  return rows.length > 0;
};

/** Where a request or grant belongs; for the event. */
export type Belonging = { readonly requestId: string; readonly agentId: string };

/** `pending -> expired`, if its time is over. Returns whether this call moved it. */
export const expireRequest = (database: Database, of: Belonging): Promise<boolean> =>
  end(database, EXPIRE_REQUEST, of.requestId, { name: 'request.expired', ...of, data: {} });

/** `active -> ended(expired)` or `offered -> ended(lapsed)`, if its time is over. */
export const endGrant = (
  database: Database,
  grantId: string,
  reason: 'expired' | 'lapsed',
  of: Belonging,
): Promise<boolean> =>
  end(database, END_GRANT[reason], grantId, {
    name: 'grant.ended',
    ...of,
    data: { grant_id: grantId, reason },
  });

/** Ends a grant before its time, its tokens with it. `cause` says for the trail why. */
export const revokeGrant = (
  database: Database,
  grantId: string,
  cause: string,
  of: Belonging,
): Promise<boolean> =>
  end(database, REVOKE_GRANT, grantId, {
    name: 'grant.ended',
    ...of,
    data: { grant_id: grantId, reason: 'revoked', cause },
  });
