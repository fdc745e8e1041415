/** Who approved is asked about again whenever a token would leave: what the registry says of them by then decides. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { personOf } from '../../lab/world.ts';
import type { Principal } from '../../src/registry/registry.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { changeAgent, changeRegistry } from '../support/change-registry.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterEach(async () => {
  await changeAgent(world, 'ops-agent', {});
  await checkPromises(world.database);
});
afterAll(() => world.stop());

const ask = async (request_id: string | undefined, scope = 'services.restart'): Promise<Answer> =>
  world.exchange({
    subject_token: await world.assertion('ops-agent'),
    audience: 'api://operations.prod',
    scope,
    request_id,
  });

const account = (person: string): Principal => ({
  tenant: world.entra.world.tenant,
  object: personOf(world.entra.world, person).objectId,
});

/** Opens a request and has these people approve it; the last of them closes its quorum. */
const approved = async (request_id: string | undefined, scope: string, people: readonly string[]) => {
  const { request_id: requestId } = (await ask(request_id, scope)).body;
  const outcomes = [];
  for (const person of people) outcomes.push(await world.vote(requestId, 'approve', person));
  expect(outcomes.at(-1)).toEqual({ outcome: 'approved' });
  return requestId;
};

const standing = async (requestId: string) => {
  const { rows } = await sql<{ grant: string; cause: string | null; tokens: string[] }>`
    select g.state as grant, array(select t.state from tokens t where t.grant_id = g.id) as tokens, (
      select convert_from(e.body, 'UTF8')::jsonb ->> 'cause' from audit_events e
      where e.request_id = g.request_id and e.name = 'grant.ended') as cause
    from grants g where g.request_id = ${requestId}`.execute(world.database.db);
  return rows[0];
};

const refusals = async (requestId: string): Promise<unknown[]> => {
  const { rows } = await sql<{ reason: string }>`
    select convert_from(body, 'UTF8')::jsonb ->> 'reason' as reason from audit_events
    where request_id = ${requestId} and name = 'request.refused' order by position`.execute(
    world.database.db,
  );
  return rows.map(({ reason }) => reason);
};

const refusalOf = ({ status, body }: Answer) => [status, body.error, body.reason];

const VOID = [400, 'access_denied', expect.stringContaining('may still decide')];

type Change = (registry: RegistryDocument) => RegistryDocument;

const becomes =
  (role: 'owners' | 'sponsors', person: string): Change =>
  (registry) => ({
    ...registry,
    agents: registry.agents.map((agent) =>
      agent.id === 'ops-agent' ? { ...agent, [role]: [...(agent[role] ?? []), account(person)] } : agent,
    ),
  });

const isAlso =
  (person: string, other: string): Change =>
  (registry) => ({
    ...registry,
    people: [...(registry.people ?? []), { id: person, accounts: [account(person), account(other)] }],
  });

const ONE = { scope: 'services.restart', people: ['approver'] };
const TWO = { scope: 'database.restore', people: ['approver', 'second-approver'] };

describe('an approval is not handed out (T84)', () => {
  it.each<[string, typeof ONE, () => Change]>([
    ['that somebody gave who became an owner', ONE, () => becomes('owners', 'approver')],
    ['that somebody gave who became a sponsor', ONE, () => becomes('sponsors', 'approver')],
    ['that an owner turns out to have given by another account', ONE, () => isAlso('approver', 'owner')],
    ['one of whose two people became an owner', TWO, () => becomes('owners', 'second-approver')],
    ['that one person gave with two accounts', TWO, () => isAlso('approver', 'second-approver')],
  ])('%s', async (name, { scope, people }, change) => {
    const key = name.replaceAll(' ', '-');
    const requestId = await approved(key, scope, people);
    await changeRegistry(world, change());
    expect(refusalOf(await ask(key, scope))).toEqual(VOID);
    expect(await standing(requestId)).toEqual({
      grant: 'ended',
      tokens: [],
      cause: `too few of those who approved may still decide: ${people.length - 1} of ${people.length}`,
    });
    await changeRegistry(world, (registry) => registry);
    expect((await ask(key, scope)).body.error).toBe('access_denied');
    expect(await refusals(requestId)).toEqual(['approval_void', 'grant_revoked']);
  });
});

it('nor goes on: the tokens under it end with it when the agent comes back', async () => {
  const requestId = await approved('running', ONE.scope, ONE.people);
  expect((await ask('running')).status).toBe(200);
  await changeRegistry(world, becomes('owners', 'approver'));
  expect(refusalOf(await ask('running'))).toEqual(VOID);
  expect(await standing(requestId)).toMatchObject({ grant: 'ended', tokens: ['REVOKED'] });
});

it('is asked for anew, and all of it, where the agent does not name its request', async () => {
  const both = 'release.deploy services.restart';
  const requestId = (await ask(undefined, both)).body.request_id;
  const left = { scopes: ['services.restart'] };
  expect(await world.vote(requestId, 'approve', 'approver', left)).toEqual({ outcome: 'approved' });
  await changeRegistry(world, becomes('owners', 'approver'));
  const anew = await ask(undefined, both);
  expect(anew.body.error).toBe('authorization_pending');
  expect(anew.body.request_id).not.toBe(requestId);
  expect(await standing(requestId)).toMatchObject({ grant: 'ended' });
  const vote = await world.vote(anew.body.request_id, 'approve', 'second-approver');
  expect(vote).toEqual({ outcome: 'approved' });
  expect(await ask(undefined, both)).toMatchObject({ status: 200, body: { scope: both } });
});

it('is handed out when the registry changed and those who gave it may still decide', async () => {
  await approved('unmoved', TWO.scope, TWO.people);
  await changeRegistry(world, becomes('owners', 'visitor'));
  expect((await ask('unmoved', TWO.scope)).status).toBe(200);
});
