/**
 * The promises that hold after every test, read from the database and the log: one current credential per grant (I2),
 * grants only by policy or by enough distinct people who signed the same terms (I3), lifetimes within the grant (I4),
 * legal states with their one terminal event (I5), an event for everything that leaves (I1), nothing secret (I7).
 */
import { CompiledQuery, sql } from 'kysely';
import { expect } from 'vitest';
import type { Database } from '../../src/storage/database.ts';

const BROKEN: Record<string, string> = {
  'I1: a token without its issuing event': `
    select t.jti from tokens t where not exists (
      select from audit_events e where e.name = 'token.issued' and convert_from(e.body, 'UTF8')::jsonb ->> 'jti' = t.jti)`,
  'I1: a grant without its opening event': `
    select g.id from grants g where not exists (
      select from audit_events e where e.name = 'grant.opened' and e.request_id = g.request_id)`,
  'I1: a request without its opening event': `
    select r.id from access_requests r where not exists (
      select from audit_events e where e.name = 'request.opened' and e.request_id = r.id)`,
  'I2: more than one current credential under a grant': `
    select grant_id from tokens where state = 'ACTIVE' group by grant_id having count(*) > 1`,
  'I2: a current credential that the grant does not know': `
    select t.jti from tokens t join grants g on g.id = t.grant_id where t.state = 'ACTIVE' and g.current_jti is distinct from t.jti`,
  'I2: more than two unexpired credentials under a grant': `
    select grant_id from tokens where state <> 'REVOKED' and expires_at > now() group by grant_id having count(*) > 2`,
  'I2: a rotated token without its successor': `
    select t.jti from tokens t left join tokens s on s.jti = t.successor_jti where t.state = 'ROTATED' and s.jti is null`,
  'I3: a grant without permit or quorum on the same terms': `
    select g.id from grants g join access_requests r on r.id = g.request_id
    where g.terms_digest <> r.terms_digest
      or r.state not in ('permitted', 'approved')
      or (r.state = 'permitted') <> (r.decision ->> 'decision' = 'permit')
      or r.state = 'approved' and r.quorum > (
        select count(*) from votes v where v.request_id = r.id and v.verdict = 'approve' and v.terms_digest = r.terms_digest)`,
  'I3: a grant without a vote of each group that must approve': `
    select g.id from grants g join access_requests r on r.id = g.request_id
    cross join lateral jsonb_array_elements_text(r.terms -> 'required_groups') as required (name)
    where not exists (select from votes v where v.request_id = r.id and v.verdict = 'approve'
      and v.terms_digest = r.terms_digest and required.name = any(v.approver_groups))`,
  'I3: a vote of somebody who answers for the agent': `
    select v.request_id from votes v join access_requests r on r.id = v.request_id join agents a on a.id = r.agent_id
    cross join lateral jsonb_array_elements(
      coalesce(a.definition -> 'owners', '[]') || coalesce(a.definition -> 'sponsors', '[]')) as person (ids)
    where v.approver_tenant::text = person.ids ->> 'tenant' and v.approver_object::text = person.ids ->> 'object'`,
  'I3: a denial lifted by somebody who answers for the agent': `
    select e.position from audit_events e join agents a on a.id = e.agent_id
    cross join lateral (select convert_from(e.body, 'UTF8')::jsonb -> 'person' as ids) who
    cross join lateral jsonb_array_elements(
      coalesce(a.definition -> 'owners', '[]') || coalesce(a.definition -> 'sponsors', '[]')) as person (ids)
    where e.name = 'denial.lifted' and who.ids ->> 'tenant' = person.ids ->> 'tenant'
      and who.ids ->> 'object' = person.ids ->> 'object'`,
  'I3: approvals that are not votes': `
    select r.id from access_requests r where r.approvals <> (
      select count(*) from votes v
      where v.request_id = r.id and v.verdict = 'approve' and v.terms_digest = r.terms_digest)`,
  'I4: a token that outlives its grant or its terms': `
    select t.jti from tokens t join grants g on g.id = t.grant_id
    where t.expires_at > g.approved_until or t.expires_at > t.issued_at + make_interval(secs => g.token_seconds)`,
  'I4: terms beyond what was asked or decided': `
    select r.id from access_requests r
    where not array(select jsonb_array_elements_text(r.terms -> 'scopes')) <@ r.scopes
      or r.terms -> 'scopes' = '[]'
      or (r.authorization_details = '[]') <> (r.terms -> 'authorization_details' = '[]')
      or jsonb_array_length(r.terms -> 'authorization_details') > jsonb_array_length(r.authorization_details)
      or (r.terms ->> 'grant_seconds')::integer > (r.decision ->> 'grantSeconds')::integer
      or (r.terms ->> 'token_seconds')::integer > (r.decision ->> 'tokenSeconds')::integer
      or (r.terms ->> 'max_tokens')::integer > (r.decision ->> 'maxTokens')::integer
      or r.terms ->> 'max_tokens' is null and r.decision ->> 'maxTokens' is not null`,
  'I4: a grant that is not its terms': `
    select g.id from grants g join access_requests r on r.id = g.request_id
    where g.token_seconds > (r.terms ->> 'token_seconds')::integer
      or g.approved_until > coalesce(g.starts_at, g.opened_at) + make_interval(secs => (r.terms ->> 'grant_seconds')::integer)`,
  'I4: a token from before its grant began': `
    select t.jti from tokens t join grants g on g.id = t.grant_id
    where t.issued_at < date_trunc('second', g.starts_at)`,
  'I4: more tokens than the terms allow': `
    select g.id from grants g join access_requests r on r.id = g.request_id
    where (r.terms ->> 'max_tokens')::integer < (select count(*) from tokens t where t.grant_id = g.id)`,
  'I5: a request with a state that its events do not tell': `
    select r.id from access_requests r
    left join audit_events e on e.request_id = r.id and (e.name = 'request.expired' or e.name = 'denial.given'
      and convert_from(e.body, 'UTF8')::jsonb ? 'hold_seconds')
    where r.state <> 'cancelled' group by r.id, r.state
    having count(e.name) <> (case when r.state in ('expired', 'denied') then 1 else 0 end)`,
  'I5: a denial that was lifted without its one event, or not lifted with one': `
    select d.request_id from denials d left join audit_events e on e.request_id = d.request_id and e.name = 'denial.lifted'
    group by d.request_id
    having count(distinct e.position) <> (case when bool_or(d.lifted_at is not null) then 1 else 0 end)`,
  'I5: a grant under a request that is not permitted or approved': `
    select g.id from grants g join access_requests r on r.id = g.request_id
    where r.state in ('pending', 'denied', 'expired', 'cancelled')`,
  'I5: an approved or permitted request without a grant': `
    select r.id from access_requests r left join grants g on g.request_id = r.id
    where r.state in ('permitted', 'approved') and g.id is null`,
  'I5: a token that a revoked grant left as it was': `
    select t.jti from tokens t join grants g on g.id = t.grant_id
    where g.ended_reason = 'revoked' and t.state <> 'REVOKED' and t.expires_at > now()`,
  'I8: something that lives under a block': `
    select g.id from grants g join access_requests r on r.id = g.request_id
    join blocks b on b.lasting and b.swept_at is not null and b.lifted_at is null and case b.kind
      when 'agent' then b.subject = r.agent_id when 'audience' then b.subject = r.audience
      when 'environment' then r.audience in (select audience from resources where definition ->> 'environment' = b.subject)
      else true end
    where g.state <> 'ended' and g.approved_until > now()`,
  'I7: a token or assertion in an event': `
    select position from audit_events where convert_from(body, 'UTF8') ~ 'eyJ[A-Za-z0-9_-]{10,}[.]'`,
};

/** The rows of one agent under the names of the tables, which the queries above then see instead of all rows. */
const OF_AGENT = `with access_requests as (select * from access_requests where agent_id = $1),
  grants as (select * from grants where agent_id = $1),
  tokens as (select t.* from tokens t where t.grant_id in (select id from grants)),
  votes as (select v.* from votes v where v.request_id in (select id from access_requests)),
  denials as (select * from denials where agent_id = $1),
  audit_events as (select * from audit_events where agent_id = $1)`;

const BROKEN_OF_AGENT = `${OF_AGENT} ${Object.entries(BROKEN)
  .map(([promise, query]) => `select '${promise}' as promise, count(*) as rows from (${query}) broken`)
  .join(' union all ')}`;

/** The same for one agent in one query, where there are many. */
export const checkPromisesOf = async (database: Database, agentId: string): Promise<void> => {
  const { rows } = await database.pages.executeQuery<{ promise: string; rows: number }>(
    CompiledQuery.raw(BROKEN_OF_AGENT, [agentId]),
  );
  expect(rows.filter((broken) => broken.rows > 0)).toEqual([]);
};

/** Fails with the rows that break a promise. */
export const checkPromises = async (database: Database): Promise<void> => {
  const broken: Record<string, unknown[]> = {};
  for (const [promise, query] of Object.entries(BROKEN)) {
    const { rows } = await sql.raw(query).execute(database.db);
    if (rows.length > 0) broken[promise] = rows;
  }
  expect(broken).toEqual({});
};
