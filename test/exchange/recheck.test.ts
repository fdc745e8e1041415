/** What repeats at one instant meet when policy, or time, no longer stands behind what was permitted or approved. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import { askingRule, bundleOf, openEngine, permitRule, shippedBundle } from '../policy/bundles.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const DEPLOY = { audience: 'api://operations.prod', scope: 'release.deploy' };

/** Ten equal exchanges at one instant, each with an assertion of its own. */
const askTen = async (agent: string, parameters: Record<string, string | undefined>) => {
  const assertions = await Promise.all(Array.from({ length: 10 }, () => world.assertion(agent)));
  return Promise.all(assertions.map((subject_token) => world.exchange({ subject_token, ...parameters })));
};

const ask = async (agent: string, parameters: Record<string, string | undefined>) =>
  world.exchange({ subject_token: await world.assertion(agent), ...parameters });

const approved = async (request_id: string): Promise<string> => {
  const pending = await ask('ops-agent', { ...DEPLOY, request_id });
  expect(await world.vote(pending.body.request_id, 'approve')).toEqual({ outcome: 'approved' });
  return pending.body.request_id;
};

const activate = async (bundle: Uint8Array): Promise<void> => {
  const revision = await (await openEngine()).load(bundle);
  await activatePolicy(world.database, bundle, revision, { reason: 'test', appliedBy: 'test' });
};

const answersOf = (answers: Awaited<ReturnType<typeof askTen>>): string[] => [
  ...new Set(answers.map(({ status, body }) => `${status} ${body.error}`)),
];

const told = async (requestId: string, name: string): Promise<number> =>
  (await world.trace(requestId)).filter((event) => event === name).length;

describe('when policy says no now', () => {
  it('a permit and an approval are refused as denied, for good where people had approved', async () => {
    const permitted = await ask('support-agent', { audience: 'api://knowledge.prod', request_id: 'permit' });
    const requestId = await approved('deploy');
    expect((await ask('ops-agent', { ...DEPLOY, request_id: 'deploy' })).status).toBe(200);
    await activate(await bundleOf({ rules: [permitRule()] }));

    for (const request_id of ['permit', permitted.body.request_id, undefined])
      expect((await ask('support-agent', { audience: 'api://knowledge.prod', request_id })).body.error).toBe(
        'access_denied',
      );
    expect(answersOf(await askTen('ops-agent', { ...DEPLOY, request_id: 'deploy' }))).toEqual([
      '400 access_denied',
    ]);
    expect(await told(requestId, 'grant.ended')).toBe(1);

    await activate(shippedBundle());
    expect(answersOf(await askTen('ops-agent', { ...DEPLOY, request_id: 'deploy' }))).toEqual([
      '400 access_denied',
    ]);
    expect(
      (await ask('support-agent', { audience: 'api://knowledge.prod', request_id: 'permit' })).status,
    ).toBe(200);
  });
});

describe('when policy asks for more than the people who approved', () => {
  const rule = (approval: object) => ({
    ...askingRule({ id: 'deploy', ...approval }),
    resource: DEPLOY.audience,
    scopes: [DEPLOY.scope],
    agents: ['ops-agent'],
  });

  it.each([
    ['another group', { groups: ['security'] }],
    ['more people', { groups: ['release'], quorum: 2 }],
    ['a group that nobody of them is in', { groups: ['release', 'security'], required_groups: ['security'] }],
  ])('%s: what was approved is refused as denied, and ends (T84)', async (key, approval) => {
    const request_id = key.replaceAll(' ', '-');
    const requestId = await approved(request_id);
    await activate(await bundleOf({ rules: [rule(approval)] }));
    expect((await ask('ops-agent', { ...DEPLOY, request_id })).body.error).toBe('access_denied');
    expect(await told(requestId, 'grant.ended')).toBe(1);
    await activate(shippedBundle());
    expect((await ask('ops-agent', { ...DEPLOY, request_id })).body.error).toBe('access_denied');
  });
});

describe('when policy allows less than when people approved', () => {
  const minted = async (requestId: string) =>
    (
      await sql<{ jti: string; unexpired: boolean; seconds: number }>`
        select t.jti, t.expires_at > now() as unexpired, extract(epoch from t.expires_at - t.issued_at)::integer as seconds
        from tokens t join grants g on g.id = t.grant_id where g.request_id = ${requestId} order by t.expires_at`.execute(
        world.database.db,
      )
    ).rows;
  const pass = (requestId: string, seconds: number) =>
    sql`with grown as (
      update tokens set issued_at = issued_at - make_interval(secs => ${seconds}), expires_at = expires_at - make_interval(secs => ${seconds})
      where grant_id = (select id from grants where request_id = ${requestId}))
      update grants set opened_at = opened_at - make_interval(secs => ${seconds}),
        approved_until = approved_until - make_interval(secs => ${seconds}) where request_id = ${requestId}`.execute(
      world.database.db,
    );
  /** People are asked as before, of tokens and grants with something changed. */
  const activateRule = async (change: object): Promise<void> => {
    const rule = { ...askingRule({ id: 'deploy', groups: ['release'] }), ...change };
    const about = { resource: DEPLOY.audience, scopes: [DEPLOY.scope], agents: ['ops-agent'] };
    await activate(await bundleOf({ rules: [{ ...rule, ...about }] }));
  };

  it('no credential overtakes the one before it, and no more than two are good at a time', async () => {
    const request_id = 'shorter';
    const requestId = await approved(request_id);
    const first = await ask('ops-agent', { ...DEPLOY, request_id });
    expect(first.body.expires_in).toBeGreaterThan(40);
    await activateRule({ token_seconds: 9 });

    for (let step = 0; step < 24; step += 1) {
      await pass(requestId, 2);
      expect((await ask('ops-agent', { ...DEPLOY, request_id })).status).toBe(200);
      expect((await minted(requestId)).filter(({ unexpired }) => unexpired).length).toBeLessThanOrEqual(2);
    }
    const [, ...successors] = await minted(requestId);
    expect(successors.length).toBeGreaterThan(1);
    expect(successors.every(({ seconds }) => seconds <= 9)).toBe(true);
    await activate(shippedBundle());
  });

  it('a grant lasts no longer than a grant does now, and none of its tokens either (I4)', async () => {
    const request_id = 'shorter-grant';
    const requestId = await approved(request_id);
    expect((await ask('ops-agent', { ...DEPLOY, request_id })).body.grant_expires_in).toBeGreaterThan(500);
    await activateRule({ grant_seconds: 60 });
    const again = await ask('ops-agent', { ...DEPLOY, request_id });
    expect(again.body.grant_expires_in).toBeLessThanOrEqual(60);
    await pass(requestId, 35);
    const successor = await ask('ops-agent', { ...DEPLOY, request_id });
    expect(successor.body.access_token).not.toBe(again.body.access_token);
    expect(successor.body.expires_in).toBeLessThanOrEqual(25);
    await pass(requestId, 25);
    for (const named of [request_id, requestId])
      expect((await ask('ops-agent', { ...DEPLOY, request_id: named })).body.error).toBe('expired_token');
    await activate(shippedBundle());
  });

  it('a grant gives no more tokens than a grant does now (I4)', async () => {
    const request_id = 'fewer-tokens';
    const requestId = await approved(request_id);
    expect((await ask('ops-agent', { ...DEPLOY, request_id })).status).toBe(200);
    await activateRule({ max_tokens: 1 });
    expect((await ask('ops-agent', { ...DEPLOY, request_id })).status).toBe(200);
    await pass(requestId, 45);
    expect((await ask('ops-agent', { ...DEPLOY, request_id })).body.error).toBe('expired_token');
    expect(await minted(requestId)).toHaveLength(1);
    await activateRule({ max_tokens: 2 });
    expect((await ask('ops-agent', { ...DEPLOY, request_id })).status).toBe(200);
    await pass(requestId, 45);
    expect((await ask('ops-agent', { ...DEPLOY, request_id })).body.error).toBe('expired_token');
    await activate(shippedBundle());
  });
});

describe('when time is over', () => {
  it('an approval nobody picked up is expired_token, told once', async () => {
    const requestId = await approved('late');
    await sql`update grants set pickup_until = now() where request_id = ${requestId}`.execute(
      world.database.db,
    );
    expect(answersOf(await askTen('ops-agent', { ...DEPLOY, request_id: 'late' }))).toEqual([
      '400 expired_token',
    ]);
    expect(await told(requestId, 'grant.ended')).toBe(1);
    expect(answersOf(await askTen('ops-agent', { ...DEPLOY, request_id: requestId }))).toEqual([
      '400 expired_token',
    ]);
  });

  it('a request nobody decided is expired_token by its key, and one new request without', async () => {
    const first = (await ask('ops-agent', DEPLOY)).body.request_id;
    await sql`update access_requests set expires_at = now() where id = ${first}`.execute(world.database.db);
    const anew = await askTen('ops-agent', DEPLOY);
    expect(new Set(anew.map(({ body }) => body.request_id)).size).toBe(1);
    expect(anew[0]?.body.request_id).not.toBe(first);
    expect(answersOf(await askTen('ops-agent', { ...DEPLOY, request_id: first }))).toEqual([
      '400 expired_token',
    ]);
    expect(await told(first, 'request.expired')).toBe(1);
  });

  it('a grant that ended is expired_token by its key, and one new request without', async () => {
    const parameters = { audience: 'api://operations.prod', scope: 'services.restart' };
    const first = (await ask('ops-agent', parameters)).body.request_id;
    await world.vote(first, 'approve');
    expect((await ask('ops-agent', parameters)).status).toBe(200);
    await sql`update tokens set expires_at = issued_at where grant_id = (select id from grants where request_id = ${first})`.execute(
      world.database.db,
    );
    await sql`update grants set approved_until = now() where request_id = ${first}`.execute(
      world.database.db,
    );
    const anew = await askTen('ops-agent', parameters);
    expect(new Set(anew.map(({ body }) => body.request_id)).size).toBe(1);
    expect(anew[0]?.body.request_id).not.toBe(first);
    expect(answersOf(await askTen('ops-agent', { ...parameters, request_id: first }))).toEqual([
      '400 expired_token',
    ]);
    expect(await told(first, 'grant.ended')).toBe(1);
  });
});
