/** What approvers' pages ask: the decided requests of a few groups, agents or APIs, and what an agent did before. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
-- Written when people decide, never by an exchange.
create index access_requests_decided_groups on access_requests using gin ((terms->'groups'))
  where state in ('approved', 'denied');
create index access_requests_decided_agent on access_requests (agent_id, decided_at desc, id)
  where state in ('approved', 'denied');
create index access_requests_decided_audience on access_requests (audience, decided_at desc, id)
  where state in ('approved', 'denied');
-- What the planner cannot know of a partial index: how many requests name a group. Rare ones are looked up by the
-- index above, common ones met at once by walking the newest.
create statistics access_requests_groups on (terms->'groups') from access_requests;
-- The history of one agent at one API, which a page compares a request with.
create index access_requests_history on access_requests (agent_id, audience, opened_at desc);
`;

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(CHANGES).execute(db);
};
