/**
 * What is closed and which assertions are believed no more, as this replica holds it. An exchange is decided on one
 * revision of it, and its statement commits nothing if another is in force by then (`src/access/guard.ts`): what is
 * held here may be late, but never lets anything through that a block forbids.
 */

import type { Database, Statement } from '../storage/database.ts';
import type { BlockKind } from '../storage/tables.ts';
import type { Agent, Resource } from './registry.ts';

type OpenBlock = { readonly kind: BlockKind; readonly subject: string; readonly lasting: boolean };

export type Closings = {
  /** `in_force.blocks_revision`. */
  readonly revision: number;
  /** `lasting`: until it is lifted; `passing`: what was given is being taken back, a matter of seconds; null: open. */
  readonly closedFor: (agent: Pick<Agent, 'id'>, resource: Resource) => 'lasting' | 'passing' | null;
  /** The last second (since the epoch) whose tokens APIs refuse; only what was written lately is known. */
  readonly notBefore: (agent: Pick<Agent, 'id'>, resource: Resource) => number;
  /** Whether assertions issued at `issuedAt` (seconds since the epoch) are believed no more of this agent. */
  readonly isSuperseded: (agent: Pick<Agent, 'id'>, issuedAt: number) => boolean;
};

/** The look of `src/registry/follow.ts` compares the revision; everything else is one statement, hence one snapshot. */
const LOAD: Statement = {
  name: 'load-closings',
  text: `
select f.blocks_revision as revision, floor(extract(epoch from f.not_before))::bigint as not_before,
  (select coalesce(json_agg(json_build_object('kind', b.kind, 'subject', b.subject, 'lasting', b.lasting)), '[]')
    from blocks b where b.lifted_at is null) as blocks,
  (select coalesce(json_object_agg(a.id, floor(extract(epoch from a.not_before))), '{}')
    from agents a where a.not_before is not null) as agents,
  (select coalesce(json_object_agg(kind || ' ' || subject, until), '{}')
    from (select kind, subject, extract(epoch from max(until))::bigint as until
      from revocations where kind <> 'token' group by kind, subject) latest) as tokens
from in_force f`,
};

type Loaded = {
  readonly revision: number;
  readonly not_before: number | null;
  readonly blocks: readonly OpenBlock[];
  readonly agents: Readonly<Record<string, number>>;
  readonly tokens: Readonly<Record<string, number>>;
};

export const closingsOf = (loaded: Loaded): Closings => {
  const agents = new Map(Object.entries(loaded.agents));
  const tokens = new Map(Object.entries(loaded.tokens));
  const everybody = loaded.not_before ?? Number.NEGATIVE_INFINITY;
  return {
    revision: loaded.revision,
    closedFor: (agent, resource) => {
      if (loaded.blocks.length === 0) return null;
      const subjects: Readonly<Record<BlockKind, string>> = {
        agent: agent.id,
        audience: resource.audience,
        environment: resource.environment,
        global: '',
      };
      const closing = loaded.blocks.filter(({ kind, subject }) => subjects[kind] === subject);
      if (closing.length === 0) return null;
      return closing.some(({ lasting }) => lasting) ? 'lasting' : 'passing';
    },
    notBefore: (agent, resource) =>
      Math.max(
        ...[
          'global ',
          `agent ${agent.id}`,
          `audience ${resource.audience}`,
          `environment ${resource.environment}`,
        ].map((place) => tokens.get(place) ?? 0),
      ),
    isSuperseded: ({ id }, issuedAt) =>
      issuedAt <= Math.max(everybody, agents.get(id) ?? Number.NEGATIVE_INFINITY),
  };
};

/** What is in force now. Throws `DatabaseUnavailable`. */
export const loadClosings = async (database: Pick<Database, 'query'>): Promise<Closings> => {
  const [loaded] = await database.query<Loaded>(LOAD, []);
  if (loaded === undefined) throw new Error('the table in_force has lost its row');
  return closingsOf(loaded);
};
