/** What a change of the registry would take from agents that are at work: said before it is applied. */
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import { buildRegistry } from './build-registry.ts';
import type { Registry } from './registry.ts';
import type { RegistryDocument } from './registry-schema.ts';

/** Requests of an agent for an API, with all that is open under them. */
export type LostAccess = {
  readonly agent: string;
  readonly audience: string;
  /** Requests that wait for people. */
  readonly waiting: number;
  /** Grants that go on. */
  readonly granted: number;
};

type OpenAccess = LostAccess & { readonly scopes: readonly string[] };

const allows = (registry: Registry, { agent: id, audience, scopes }: OpenAccess): boolean => {
  const agent = registry.agents.get(id);
  const resource = registry.resources.get(audience);
  if (!agent?.enabled || !resource?.enabled) return false;
  if (agent.environment !== null && agent.environment !== resource.environment) return false;
  return scopes.every((scope) => resource.scopes.has(scope) && agent.ceiling.get(audience)?.has(scope));
};

const findOpen = async ({ db }: Database): Promise<readonly OpenAccess[]> => {
  const { rows } = await sql<OpenAccess>`
    select agent, audience, scopes, sum(waiting)::integer as waiting, sum(granted)::integer as granted from (
      select agent_id as agent, audience, scopes, 1 as waiting, 0 as granted
      from access_requests where state = 'pending' and expires_at > now()
      union all
      select r.agent_id, r.audience, r.scopes, 0, 1
      from grants g join access_requests r on r.id = g.request_id
      where g.state <> 'ended' and g.approved_until > now()
    ) open group by agent, audience, scopes order by agent, audience, scopes`.execute(db);
  return rows;
};

/** Open requests and grants that `current` allows and `next` does not, by agent and API. */
export const findLostAccess = async (
  database: Database,
  { current, next }: { readonly current: RegistryDocument; readonly next: RegistryDocument },
): Promise<readonly LostAccess[]> => {
  const [before, after] = [buildRegistry(0, current), buildRegistry(0, next)];
  const lost = new Map<string, LostAccess>();
  for (const open of await findOpen(database)) {
    if (!allows(before, open) || allows(after, open)) continue;
    const { agent, audience } = open;
    const sum = lost.get(`${agent} ${audience}`) ?? { agent, audience, waiting: 0, granted: 0 };
    const waiting = sum.waiting + open.waiting;
    lost.set(`${agent} ${audience}`, { agent, audience, waiting, granted: sum.granted + open.granted });
  }
  return [...lost.values()];
};
