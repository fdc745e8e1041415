/**
 * Every agent x API x set of actions, over every way to a token (T70): asked for, asked again, fetched after an
 * approval, fetched again, and by the id of a request for something else. What must come of each cell is worked out
 * here, from the registry file and the rules as people write them, without the code that decides.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { applyRegistry } from '../../src/registry/apply.ts';
import { readRegistry } from '../../src/registry/registry-file.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { policyFile } from '../policy/bundles.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { wordOf } from '../support/vote-as.ts';

type Cell = { readonly agent: string; readonly audience: string; readonly scopes: readonly string[] };

type WrittenRule = {
  readonly resource: string | readonly string[];
  readonly scopes: readonly string[];
  readonly agents: 'any' | readonly string[];
  readonly environments?: readonly string[];
  readonly decision: 'permit' | 'needs_approval' | 'deny';
};

const { rules }: { rules: readonly WrittenRule[] } = parse(policyFile('rules.yaml').toString());

let world: TestWorld;
let registry: RegistryDocument;
const assertions = new Map<string, string>();

/** Makes the ceilings uneven: wider than the rules, narrower than the API, and an API that is switched off. */
const unevenly = (document: RegistryDocument): RegistryDocument => ({
  ...document,
  agents: document.agents.map((agent) => {
    const others = {
      'support-agent': [{ audience: 'api://reports.prod', scopes: ['reports.read'] }],
      'reporting-agent': [{ audience: 'api://operations.dev', scopes: ['services.restart'] }],
      'ops-agent': [{ audience: 'api://knowledge.prod', scopes: ['articles.read', 'articles.write'] }],
    }[agent.id];
    const narrowed = agent.access.map((entry) =>
      ['api://reports.dev', 'api://operations.dev'].includes(entry.audience)
        ? { ...entry, scopes: entry.scopes.slice(0, 1) }
        : entry,
    );
    return { ...agent, access: [...narrowed, ...(others ?? [])] };
  }),
  resources: document.resources.map((resource) =>
    resource.audience === 'api://knowledge.test' ? { ...resource, enabled: false } : resource,
  ),
});

beforeAll(async () => {
  world = await startWorld();
  const written = await readRegistry([world.settings.COUNTERSIGN_REGISTRY ?? '']);
  registry = unevenly(written);
  await applyRegistry(world.database, registry, { reason: 'uneven ceilings', appliedBy: 'test' });
  for (const { id } of registry.agents) assertions.set(id, await world.assertion(id));
});
afterAll(() => world.stop());

const subsetsOf = ([first, ...rest]: readonly string[]): string[][] => {
  if (first === undefined) return [[]];
  const without = subsetsOf(rest);
  return [...without, ...without.map((set) => [first, ...set])];
};

const keyOf = ({ agent, audience, scopes }: Cell): string => `${agent} ${audience} ${scopes.join('+')}`;

/** All of them: each set of an API's own actions, and each action of another API. */
const allCells = (): Cell[] => {
  const sets = registry.resources.flatMap(({ scopes }) => subsetsOf(Object.keys(scopes).sort()));
  const distinct = new Map(sets.filter((set) => set.length > 0).map((set) => [set.join(' '), set]));
  return registry.agents.flatMap(({ id }) =>
    registry.resources.flatMap(({ audience }) =>
      [...distinct.values()].map((scopes) => ({ agent: id, audience, scopes })),
    ),
  );
};

type Expected = 'permit' | 'needs_approval' | 'access_denied' | 'invalid_target' | 'invalid_scope';

const expectedOf = ({ agent, audience, scopes }: Cell): Expected => {
  const access = registry.agents.find(({ id }) => id === agent)?.access ?? [];
  const ceiling = access.find((entry) => entry.audience === audience);
  const resource = registry.resources.find((entry) => entry.audience === audience);
  if (ceiling === undefined || !resource?.enabled) return 'invalid_target';
  if (!scopes.every((scope) => ceiling.scopes.includes(scope) && scope in resource.scopes))
    return 'invalid_scope';
  const decisions = scopes.map((scope) => {
    const matching = rules.filter(
      (rule) =>
        [rule.resource].flat().includes(audience) &&
        rule.scopes.includes(scope) &&
        (rule.agents === 'any' || rule.agents.includes(agent)) &&
        (rule.environments?.includes(resource.environment) ?? true),
    );
    const strictest = ['deny', 'needs_approval', 'permit'].find((decision) =>
      matching.some((rule) => rule.decision === decision),
    );
    return strictest ?? 'deny';
  });
  if (decisions.includes('deny')) return 'access_denied';
  return decisions.includes('needs_approval') ? 'needs_approval' : 'permit';
};

const ask = ({ agent, audience, scopes }: Cell, more: Record<string, string> = {}): Promise<Answer> =>
  world.exchange({
    subject_token: assertions.get(agent),
    audience,
    scope: scopes.join(' '),
    ...more,
  });

/** What a token says it allows, in the form of a cell. */
const allowedBy = ({ status, body }: Answer): string => {
  if (status !== 200) return body.access_token === undefined ? body.error : 'a token with an error';
  const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString());
  return `token for ${keyOf({ agent: claims.sub, audience: claims.aud, scopes: claims.scope.split(' ') })}`;
};

const expectEach = async (cells: readonly Cell[], answer: (cell: Cell) => Promise<[string, string]>) => {
  const found: Record<string, string> = {};
  const wanted: Record<string, string> = {};
  const byAgent = registry.agents.map(async ({ id }) => {
    for (const cell of cells.filter(({ agent }) => agent === id)) {
      const [actual, expected] = await answer(cell);
      found[keyOf(cell)] = actual;
      wanted[keyOf(cell)] = expected;
    }
  });
  await Promise.all(byAgent);
  expect(found).toEqual(wanted);
  expect(Object.keys(found)).toHaveLength(cells.length);
};

describe('the matrix of agents, APIs and actions (T70)', () => {
  const requestIds = new Map<string, string>();
  const jtis = new Map<string, string>();
  const jtiOf = ({ body }: Answer): string =>
    JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString()).jti;

  it('has cells of every kind', () => {
    const kinds = new Set(allCells().map(expectedOf));
    expect([...kinds].sort()).toEqual([
      'access_denied',
      'invalid_scope',
      'invalid_target',
      'needs_approval',
      'permit',
    ]);
  });

  it('is answered cell by cell as registry and rules say, when it is asked for', async () => {
    await expectEach(allCells(), async (cell) => {
      const answer = await ask(cell);
      const expected = expectedOf(cell);
      if (expected === 'permit') jtis.set(keyOf(cell), jtiOf(answer));
      if (['permit', 'needs_approval'].includes(expected))
        requestIds.set(keyOf(cell), answer.body.request_id);
      const inWords = { permit: `token for ${keyOf(cell)}`, needs_approval: 'authorization_pending' };
      return [allowedBy(answer), inWords[expected as keyof typeof inWords] ?? expected];
    });
  });

  it('gives no more when it is asked again', async () => {
    await expectEach(allCells(), async (cell) => {
      const answer = await ask(cell);
      const expected = expectedOf(cell);
      if (expected === 'permit') return [jtiOf(answer), jtis.get(keyOf(cell)) ?? ''];
      if (expected !== 'needs_approval') return [allowedBy(answer), expected];
      const waits = ['authorization_pending', 'slow_down'].includes(answer.body.error);
      return [waits ? answer.body.request_id : allowedBy(answer), requestIds.get(keyOf(cell)) ?? ''];
    });
  });

  it('gives nothing but what was opened to whoever names the id of a request of its own', async () => {
    const cells = allCells();
    // Under one request that policy permitted and one that waits, everything else is asked for.
    for (const kind of ['permit', 'needs_approval']) {
      const named = new Map(
        cells.filter((cell) => expectedOf(cell) === kind).map((cell) => [cell.agent, keyOf(cell)]),
      );
      const others = cells.filter((cell) => named.has(cell.agent) && named.get(cell.agent) !== keyOf(cell));
      await expectEach(others, async (cell) => {
        const answer = await ask(cell, { request_id: requestIds.get(named.get(cell.agent) ?? '') ?? '' });
        const expected = expectedOf(cell);
        return [allowedBy(answer), expected.startsWith('invalid') ? expected : 'invalid_request'];
      });
    }
  });

  it('gives nothing to whoever names the id of a request of another agent', async () => {
    for (const [key, request_id] of requestIds) {
      const [owner, audience = '', scopes = ''] = key.split(' ');
      for (const { id } of registry.agents.filter((agent) => agent.id !== owner)) {
        const answer = await ask({ agent: id, audience, scopes: scopes.split('+') }, { request_id });
        expect([answer.status, answer.body.access_token]).toEqual([400, undefined]);
      }
    }
  });

  it('gives exactly what people approved, once they did, and the same again', async () => {
    const waiting = allCells().filter((cell) => expectedOf(cell) === 'needs_approval');
    await expectEach(waiting, async (cell) => {
      const requestId = requestIds.get(keyOf(cell)) ?? '';
      const voted = await world.vote(requestId, 'approve');
      // What takes two people is not given for one.
      const decided =
        wordOf(voted) === 'counted' ? await world.vote(requestId, 'approve', 'second-approver') : voted;
      expect(decided).toEqual({ outcome: 'approved' });
      const first = await ask(cell);
      expect(jtiOf(await ask(cell))).toBe(jtiOf(first));
      return [allowedBy(first), `token for ${keyOf(cell)}`];
    });
  });

  it('leaves tokens for those cells in the database, and no other', async () => {
    const { rows } = await sql<{ agent_id: string; audience: string; scopes: string[] }>`
      select distinct r.agent_id, r.audience, r.scopes from tokens t
      join grants g on g.id = t.grant_id join access_requests r on r.id = g.request_id`.execute(
      world.database.db,
    );
    const given = rows.map(({ agent_id, audience, scopes }) => keyOf({ agent: agent_id, audience, scopes }));
    const allowed = allCells().filter((cell) => ['permit', 'needs_approval'].includes(expectedOf(cell)));
    expect(given.sort()).toEqual(allowed.map(keyOf).sort());
    await checkPromises(world.database);
  });
});
