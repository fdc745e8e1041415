/**
 * Taking back one thing: a token, a grant, a request that waits. State, line of the log and event are one statement, so
 * a revocation that could not be stored is an error and never a success.
 */
import { sql } from 'kysely';
import { eventValues } from '../audit/event.ts';
import { logFrom, mayBeTaken } from '../revocation/revocation-log.ts';
import type { Database, Statement } from '../storage/database.ts';
import type { Author } from './author.ts';
import { cancelRequests, type Ending, revokeGrants } from './end.ts';
import { tellFrom } from './guard.ts';

/**
 * The current credential leaves its grant with it, so that whoever renders it at this moment finds it gone. APIs forgive
 * clocks a little: a token that is just over is taken back as well.
 */
const REVOKE_TOKEN: Statement = {
  name: 'revoke-token',
  text: `with held as (
  select g.id from grants g join tokens t on t.grant_id = g.id
  where t.jti = $1 and t.state <> 'REVOKED' and ${mayBeTaken('t')} for update of g
), dropped as (
  update grants g set current_jti = null from held where g.id = held.id and g.current_jti = $1
), revoked as (
  update tokens t set state = 'REVOKED' from held
  where t.jti = $1 and t.grant_id = held.id and t.state <> 'REVOKED'
    and ${mayBeTaken('t')}
  returning 'token' as kind, t.jti as subject, t.expires_at as until
), ${logFrom('revoked')}, ${tellFrom('revoked', 2)} select subject from revoked`,
};

/** Revokes one token; its grant goes on. `over`: it is expired or revoked already. Throws `DatabaseUnavailable`. */
export const revokeToken = async (
  database: Database,
  jti: string,
  { by, reason }: Author,
): Promise<'revoked' | 'unknown' | 'over'> => {
  const { rows } = await sql<Ending>`
    select g.request_id as "requestId", g.agent_id as "agentId", g.id as "grantId"
    from tokens t join grants g on g.id = t.grant_id where t.jti = ${jti}`.execute(database.db);
  const [token] = rows;
  if (token === undefined) return 'unknown';
  const { requestId, agentId, grantId } = token;
  const event = {
    name: 'token.revoked',
    requestId,
    agentId,
    data: { jti, grant_id: grantId, by, cause: reason },
  } as const;
  const revoked = await database.query(REVOKE_TOKEN, [jti, ...eventValues([event], new Date())]);
  return revoked.length > 0 ? 'revoked' : 'over';
};

const findRequest = async ({ db }: Database, requestId: string): Promise<Ending | undefined> => {
  const { rows } = await sql<Ending>`
    select r.id as "requestId", r.agent_id as "agentId", g.id as "grantId"
    from access_requests r left join grants g on g.request_id = r.id where r.id = ${requestId}`.execute(db);
  return rows[0];
};

/** Ends a request's grant and revokes its tokens: a repeat is denied. `over`: there is none, or it has ended. */
export const endGrant = async (
  database: Database,
  requestId: string,
  { by, reason }: Author,
  endedBy: 'operator' | 'agent',
): Promise<'ended' | 'unknown' | 'over'> => {
  const request = await findRequest(database, requestId);
  if (request === undefined) return 'unknown';
  if (request.grantId === null) return 'over';
  return (await revokeGrants(database, [request], { by, cause: reason, endedBy })) > 0 ? 'ended' : 'over';
};

/** `pending -> cancelled`. `over`: it is decided or expired. */
export const cancelRequest = async (
  database: Database,
  requestId: string,
  { by, reason }: Author,
): Promise<'cancelled' | 'unknown' | 'over'> => {
  const request = await findRequest(database, requestId);
  if (request === undefined) return 'unknown';
  return (await cancelRequests(database, [request], { by, cause: reason })) > 0 ? 'cancelled' : 'over';
};
