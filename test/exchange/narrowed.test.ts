/** What an approver left is what the agent is told and what its token says, for as long and as often as that. */
import { decodeJwt } from 'jose';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { revokeGrants } from '../../src/access/end.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { readRegistry } from '../../src/registry/registry-file.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

const AUDIENCE = 'api://knowledge.prod';
const BOTH = 'articles.read articles.write';
const FOLDERS = { type: 'folders', names: ['finance', 'people'] };

const types: RegistryDocument['resources'][number]['authorization_details'] = {
  folders: {
    description: 'Where.',
    fields: { names: { type: 'strings', optional: false, max_length: 20, max_items: 5, narrowable: true } },
  },
};

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
  const registry = await readRegistry([world.settings.COUNTERSIGN_REGISTRY ?? '']);
  const resources = registry.resources.map((resource) =>
    resource.audience === AUDIENCE ? { ...resource, authorization_details: types } : resource,
  );
  await applyRegistry(world.database, { ...registry, resources }, { reason: 'test', appliedBy: 'test' });
  // The broker takes the registry over at the latest when an exchange meets the new revision.
  await world.exchange({ subject_token: await world.assertion('support-agent'), audience: AUDIENCE });
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const ask = async (
  request_id: string,
  changes: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
) =>
  world.exchange(
    {
      subject_token: await world.assertion('support-agent'),
      audience: AUDIENCE,
      scope: BOTH,
      authorization_details: JSON.stringify([FOLDERS, { ...FOLDERS, names: ['sales'] }]),
      request_id,
      ...changes,
    },
    { headers },
  );

it('is told as scope and authorization_details, in the answer, in the token and to the API that asks about it, also when it is fetched again', async () => {
  const requestId = (await ask('less')).body.request_id;
  const left = { scopes: ['articles.write'], authorizationDetails: [{ ...FOLDERS, names: ['people'] }] };
  expect(await world.vote(requestId, 'approve', 'approver', left)).toEqual({ outcome: 'approved' });
  for (const { status, body } of [await ask('less'), await ask('less')]) {
    const told = { scope: 'articles.write', authorization_details: [{ type: 'folders', names: ['people'] }] };
    expect([status, body]).toEqual([200, expect.objectContaining({ ...told, request_id: requestId })]);
    expect(decodeJwt(body.access_token)).toMatchObject(told);
    const introspection = await world.post('/introspect', `token=${body.access_token}`, {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Bearer ${await world.assertion(AUDIENCE)}`,
    });
    expect(introspection.body).toMatchObject({ active: true, ...told });
  }
});

it('is one token where the approver left one use: with it the grant is over', async () => {
  const requestId = (await ask('once')).body.request_id;
  expect(await world.vote(requestId, 'approve', 'approver', { maxTokens: 1 })).toEqual({
    outcome: 'approved',
  });
  expect((await ask('once')).status).toBe(200);
  const { rows } = await sql`
    select g.tokens_left, g.approved_until = t.expires_at as over_with_it
    from grants g join tokens t on t.grant_id = g.id where g.request_id = ${requestId}`.execute(
    world.database.db,
  );
  expect(rows).toEqual([{ tokens_left: 0, over_with_it: true }]);
});

it('begins when the approver said, not before: until then it is pending, whoever waits, and lasts its time after', async () => {
  const requestId = (await ask('tonight')).body.request_id;
  const later = { startsAfterSeconds: 3_600 };
  expect(await world.vote(requestId, 'approve', 'approver', later)).toEqual({ outcome: 'approved' });
  for (const headers of [{}, { prefer: 'wait=1' }]) {
    const { status, body } = await ask('tonight', {}, headers);
    expect([status, body.error, body.request_id]).toEqual([400, 'authorization_pending', requestId]);
    expect(body.error_description).toMatch(/ is approved and begins at \d{4}-\d{2}-\d{2}T/);
    expect(body.expires_in).toBeGreaterThan(3_600);
  }
  await sql`update grants set starts_at = starts_at - interval '1 hour', pickup_until = pickup_until - interval '1 hour',
    approved_until = approved_until - interval '1 hour' where request_id = ${requestId}`.execute(
    world.database.db,
  );
  const begun = await ask('tonight');
  expect(begun.status).toBe(200);
  expect(begun.body.grant_expires_in).toBeGreaterThan(800);
  expect(await world.trace(requestId)).toContain('token.issued');
});

it('is nothing where it is taken back before it begins', async () => {
  const requestId = (await ask('never')).body.request_id;
  await world.vote(requestId, 'approve', 'approver', { startsAfterSeconds: 900 });
  const { rows } = await sql<{ id: string }>`select id from grants where request_id = ${requestId}`.execute(
    world.database.db,
  );
  const ending = { requestId, agentId: 'support-agent', grantId: rows[0]?.id ?? null };
  await revokeGrants(world.database, [ending], { by: 'test', cause: 'second thoughts', endedBy: 'operator' });
  expect((await ask('never')).body.error).toBe('access_denied');
});
