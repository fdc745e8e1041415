/** Kill switches: what is blocked stops together on every replica, what was issued is told, and nothing slips past. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { liftBlock, setBlock } from '../../src/access/blocks.ts';
import type { BlockKind } from '../../src/storage/tables.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ brokers: 2 });
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const AUTHOR = { by: 'test', reason: 'it misbehaves' };
const close = async (kind: BlockKind, subject: string, lasting = true) => {
  const set = await setBlock(world.database, { kind, subject, lasting }, AUTHOR);
  if (typeof set === 'string') throw new Error(set);
  return set.id;
};
const lift = async (id: string) =>
  expect(await liftBlock(world.database, id, { ...AUTHOR, signedInAt: null })).toBe('lifted');

const CLOSED = 'this is closed for now';
const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };
const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };

const ask = async (agent: string, parameters: Record<string, string>, broker = 0) =>
  world.exchange(
    { subject_token: await world.assertion(agent), ...parameters },
    { port: world.brokers[broker]?.port ?? 0 },
  );
/** The answer once a block is known to be lifted and the second is over in which something was taken back. */
const askLater = async (agent: string, parameters: Record<string, string>) => {
  for (;;) {
    const answer = await ask(agent, parameters);
    if (answer.status !== 503 && !/closed/.test(answer.body.reason ?? '')) return answer;
  }
};
const payloadOf = (jwt: string) => JSON.parse(atob(jwt.split('.')[1] ?? ''));
/** The not-befores as they are told once this one is. */
const notBefore = async (kind: BlockKind, subject: string): Promise<number> => {
  const member = { agent: 'agents', audience: 'audiences', environment: 'environments', global: 'global' }[
    kind
  ];
  return vi.waitFor(async () => {
    const told = payloadOf((await world.get('/revocations')).body).not_before[member];
    const second = kind === 'global' ? told : told?.[subject];
    expect(second).toBeGreaterThan(0);
    return second;
  }, 5_000);
};
const statesOf = async (requestId: string) =>
  (
    await sql<{ request: string; granted: string | null; ended_by: string | null }>`
      select r.state as request, g.state as granted, g.ended_by from access_requests r
      left join grants g on g.request_id = r.id where r.id = ${requestId}`.execute(world.database.db)
  ).rows[0];

it('stops what waits, what is approved and what is used of an agent, at once on every replica', async () => {
  const active = await ask('reporting-agent', { ...EXPORT, request_id: 'active' });
  await world.vote(active.body.request_id, 'approve');
  const issued = await ask('reporting-agent', { ...EXPORT, request_id: 'active' });
  const offered = await ask('reporting-agent', { ...EXPORT, request_id: 'offered' });
  await world.vote(offered.body.request_id, 'approve');
  const waits = await ask('reporting-agent', { ...EXPORT, request_id: 'waits' });
  const id = await close('agent', 'reporting-agent');
  for (const broker of [0, 1])
    for (const request_id of ['active', 'offered', 'waits', 'new']) {
      const { status, body } = await ask('reporting-agent', { ...EXPORT, request_id }, broker);
      expect([status, body.error, body.reason]).toEqual([400, 'access_denied', CLOSED]);
    }
  expect(await statesOf(active.body.request_id)).toEqual({
    request: 'approved',
    granted: 'ended',
    ended_by: 'block',
  });
  expect(await statesOf(offered.body.request_id)).toEqual({
    request: 'approved',
    granted: 'ended',
    ended_by: 'block',
  });
  expect(await statesOf(waits.body.request_id)).toEqual({
    request: 'cancelled',
    granted: null,
    ended_by: null,
  });
  expect(await notBefore('agent', 'reporting-agent')).toBeGreaterThanOrEqual(
    payloadOf(issued.body.access_token).iat,
  );
  expect((await ask('support-agent', READ)).status).toBe(200);
  expect(await world.vote(waits.body.request_id, 'approve')).toEqual({ refused: 'already_decided' });
  await lift(id);
  expect((await askLater('reporting-agent', { ...EXPORT, request_id: 'offered' })).body.reason).toBe(
    'the grant was revoked',
  );
  expect((await ask('reporting-agent', { ...EXPORT, request_id: 'after' })).body.error).toBe(
    'authorization_pending',
  );
});

describe.each([
  ['audience', 'api://knowledge.prod'],
  ['environment', 'prod'],
  ['global', ''],
] as const)('a block of kind %s', (kind, subject) => {
  it('refuses under it and nowhere else, until it is lifted', async () => {
    const before = await askLater('support-agent', READ);
    expect(before.status).toBe(200);
    const id = await close(kind, subject);
    const { body } = await ask('support-agent', READ, 1);
    expect([body.error, body.reason]).toEqual(['access_denied', CLOSED]);
    const other = await ask('support-agent', { audience: 'api://knowledge.dev', scope: 'articles.read' });
    expect(other.status).toBe(kind === 'global' ? 400 : 200);
    await lift(id);
    const after = await askLater('support-agent', READ);
    const token = payloadOf(after.body.access_token);
    const second = await notBefore(kind, subject);
    expect(token.iat).toBeGreaterThan(second);
    expect(token.jti).not.toBe(payloadOf(before.body.access_token).jti);
  });
});

it('lets no exchange of a crowd slip past, and is not kept waiting by it', async () => {
  for (let round = 0; round < 5; round += 1) {
    await askLater('support-agent', READ);
    const subject_token = await world.assertion('support-agent');
    let stop = false;
    const crowd = Array.from({ length: 8 }, async (_, member) => {
      for (let turn = 0; !stop; turn += 1)
        await world.exchange(
          { ...READ, subject_token, request_id: `crowd-${round}-${member}-${turn}` },
          { port: world.brokers[member % 2]?.port ?? 0 },
        );
    });
    const kind = round % 2 === 0 ? 'agent' : 'audience';
    const id = await close(kind, kind === 'agent' ? 'support-agent' : READ.audience);
    const { rows: open } = await sql`
      select g.id from grants g join access_requests r on r.id = g.request_id
      where g.state <> 'ended' and r.agent_id = 'support-agent' and r.audience = ${READ.audience}`.execute(
      world.database.db,
    );
    expect(open).toEqual([]);
    const { rows: tokens } = await sql`
      select t.jti from tokens t join grants g on g.id = t.grant_id
      where g.agent_id = 'support-agent' and t.state <> 'REVOKED' and t.expires_at > now()
        and g.request_id in (select id from access_requests where audience = ${READ.audience})`.execute(
      world.database.db,
    );
    expect(tokens).toEqual([]);
    stop = true;
    await Promise.all(crowd);
    await lift(id);
  }
});

describe('taking back without closing', () => {
  it('of an API ends what was given, and lets agents ask anew from the next second on', async () => {
    const before = await askLater('support-agent', READ);
    await close('audience', READ.audience, false);
    expect(await statesOf(before.body.request_id)).toMatchObject({ granted: 'ended', ended_by: 'block' });
    const fresh = await askLater('support-agent', { ...READ, request_id: 'anew' });
    expect(payloadOf(fresh.body.access_token).iat).toBeGreaterThan(
      await notBefore('audience', READ.audience),
    );
  });

  it.each([
    ['agent', 'ops-agent'],
    ['global', ''],
  ] as const)('of kind %s believes older assertions no more, and newer ones (T88)', async (kind, subject) => {
    await close(kind, subject, false);
    const deploy = { audience: 'api://operations.prod', scope: 'release.deploy' };
    const { body } = await ask('ops-agent', deploy);
    expect([body.error, body.request_id]).toEqual(['invalid_request', expect.stringMatching(/^areq_/)]);
    const iat = Math.floor(Date.now() / 1_000) + 2;
    const subject_token = await world.assertion('ops-agent', { claims: { iat, nbf: iat - 300 } });
    const answers: string[] = [];
    for (;;) {
      const answer = await world.exchange({ ...deploy, subject_token });
      if (answer.status === 503) continue;
      answers.push(answer.body.error);
      break;
    }
    expect(answers).toEqual(['authorization_pending']);
  });
});
