/**
 * The life of a release's tokens, from development to production, as one story: an agent, a person, three environments
 * of one API that verifies for itself, and everybody who can take something back. Each step is a fact of the wire.
 */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL_APIS } from '../../lab/apis/all-apis.ts';
import { startApi } from '../../lab/apis/start-api.ts';
import type { WebServer } from '../../lab/web-server.ts';
import { setBlock } from '../../src/access/blocks.ts';
import { endGrant } from '../../src/access/revoke.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { until } from '../support/fact.ts';

const AGENT = 'ops-agent';
const ENVIRONMENTS = ['dev', 'test', 'prod'] as const;
type Environment = (typeof ENVIRONMENTS)[number];

let world: TestWorld;
let owner: Database;
let api: WebServer;
beforeAll(async () => {
  world = await startWorld();
  owner = await openDatabase({ dsn: world.ownerDsn, logger: pino({ enabled: false }) });
  const operations = ALL_APIS.find(({ name }) => name === 'operations') ?? expect.fail('no such API');
  const port = await freePort();
  api = await startApi(operations, {
    port,
    issuer: world.issuer,
    environments: ENVIRONMENTS.map((environment) => ({
      environment,
      audience: `api://operations.${environment}`,
      resource: `http://127.0.0.1:${port}/${environment}`,
      credential: () => world.assertion(`api://operations.${environment}`),
    })),
    onProblem: (problem) => expect.fail(problem),
  });
});
afterAll(async () => {
  await api.close();
  await owner.close();
  await world.stop();
});

const ask = async (
  environment: Environment,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Answer> =>
  world.exchange({
    subject_token: await world.assertion(AGENT),
    audience: `api://operations.${environment}`,
    scope: 'release.deploy',
    ...parameters,
  });

/** The status with which the API answers a release. */
const release = async (environment: Environment, { body }: Answer): Promise<number> => {
  const answer = await fetch(`${api.url}/${environment}/releases`, {
    method: 'POST',
    headers: { authorization: `Bearer ${body.access_token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  await answer.body?.cancel();
  return answer.status;
};

const claimsOf = ({ body }: Answer) => JSON.parse(atob(body.access_token.split('.')[1]));

const tokenStates = async (requestId: string) => {
  const { rows } = await sql<{ jti: string; state: string; successor: string | null }>`
    select t.jti, t.state, t.successor_jti as successor from tokens t join grants g on g.id = t.grant_id
    where g.request_id = ${requestId} order by t.issued_at, t.state desc`.execute(world.database.db);
  return rows;
};

/** Half a minute passes for what was granted under this request. */
const halfAMinuteLater = async (requestId: string): Promise<void> => {
  await sql`with older as (
    update grants set approved_until = approved_until - interval '31 seconds' where request_id = ${requestId} returning id)
    update tokens t set issued_at = issued_at - interval '31 seconds', expires_at = expires_at - interval '31 seconds'
    from older where t.grant_id = older.id`.execute(owner.db);
};

const PROD = { request_id: 'release-1.5' };

describe('a release', { timeout: 60_000 }, () => {
  const tokens: Partial<Record<Environment, Answer>> = {};
  const tokenOf = (environment: Environment): Answer => tokens[environment] ?? expect.fail('not issued');
  let requestId = '';
  let predecessor = '';

  it('1 is issued a token of its own for development and for test', async () => {
    for (const environment of ['dev', 'test'] as const) {
      tokens[environment] = await ask(environment);
      expect(claimsOf(tokenOf(environment))).toMatchObject({
        aud: `api://operations.${environment}`,
        env: environment,
        sub: AGENT,
      });
      expect(await release(environment, tokenOf(environment))).toBe(201);
    }
  });

  it('2 is capped: no token lives longer than its environment allows, whatever is wished', async () => {
    for (const [environment, cap] of [
      ['dev', 120],
      ['test', 90],
    ] as const) {
      const { iat, exp } = claimsOf(await ask(environment, { requested_expires_in: '86400' }));
      expect(exp - iat).toBeLessThanOrEqual(cap);
    }
  });

  it('3 is refused in the wrong environment, each token by every other', async () => {
    expect(await release('prod', tokenOf('dev'))).toBe(401);
    expect(await release('prod', tokenOf('test'))).toBe(401);
    expect(await release('test', tokenOf('dev'))).toBe(401);
  });

  it('4 is blocked before production: policy denies one part and leaves the other to people', async () => {
    const whole = await ask('prod', { scope: 'release.deploy database.delete' });
    expect([whole.status, whole.body.error]).toEqual([400, 'access_denied']);
    const pending = await ask('prod', PROD);
    expect([pending.status, pending.body.error]).toEqual([400, 'authorization_pending']);
    requestId = pending.body.request_id;
    expect(await tokenStates(requestId)).toEqual([]);
  });

  it('5 is approved by a person, and not by an owner of the agent', async () => {
    expect(await world.vote(requestId, 'approve', 'owner')).toEqual({ refused: 'owner' });
    expect(await world.vote(requestId, 'approve')).toEqual({ outcome: 'approved' });
  });

  it('6 is issued its token for production, and released', async () => {
    tokens.prod = await ask('prod', PROD);
    const { iat, exp, txn } = claimsOf(tokenOf('prod'));
    expect(exp - iat).toBeLessThanOrEqual(45);
    expect(txn).toBe(requestId);
    expect(await release('prod', tokenOf('prod'))).toBe(201);
  });

  it('7 is given the next token when two thirds of the first are over, without another approval', async () => {
    predecessor = claimsOf(tokenOf('prod')).jti;
    await halfAMinuteLater(requestId);
    tokens.prod = await ask('prod', PROD);
    expect(claimsOf(tokenOf('prod')).jti).not.toBe(predecessor);
    expect(await release('prod', tokenOf('prod'))).toBe(201);
  });

  it('8 has its predecessor ROTATED, with the successor’s name', async () => {
    const current = claimsOf(tokenOf('prod')).jti;
    expect(await tokenStates(requestId)).toEqual([
      { jti: predecessor, state: 'ROTATED', successor: current },
      { jti: current, state: 'ACTIVE', successor: null },
    ]);
  });

  it('9 ends by itself: an expired token is refused', async () => {
    const short = await ask('dev', { requested_expires_in: '1', request_id: 'short' });
    await until(async () => ((await release('dev', short)) === 401 ? true : undefined));
  });

  it('10 has one grant taken back: its token is refused, those of other environments go on', async () => {
    const author = { by: 'operator', reason: 'the release is rolled back' };
    expect(await endGrant(world.database, requestId, author, 'operator')).toBe('ended');
    await until(async () => ((await release('prod', tokenOf('prod'))) === 401 ? true : undefined));
    expect((await tokenStates(requestId)).map(({ state }) => state)).toEqual(['REVOKED', 'REVOKED']);
    expect(await release('test', tokenOf('test'))).toBe(201);
    expect((await ask('prod', PROD)).body.error).toBe('access_denied');
  });

  it('11 meets the kill switch: the agent gets nothing more, from anywhere', async () => {
    const closing = { kind: 'agent', subject: AGENT, lasting: true } as const;
    expect(await setBlock(world.database, closing, { by: 'operator', reason: 'it went mad' })).toHaveProperty(
      'id',
    );
    for (const environment of ENVIRONMENTS) {
      const { status, body } = await ask(environment, { request_id: `after-${environment}` });
      expect([status, body.error]).toEqual([400, 'access_denied']);
    }
  });

  it('12 is refused at its next call, with tokens that have not expired', async () => {
    expect(claimsOf(tokenOf('test')).exp * 1_000).toBeGreaterThan(Date.now());
    await until(async () => ((await release('test', tokenOf('test'))) === 401 ? true : undefined));
  });

  it('13 is on record from its first assertion to its last refusal', async () => {
    const trail = await world.trace(requestId);
    const facts = [
      'assertion.verified',
      'agent.mapped',
      'policy.decided',
      'request.opened',
      'approval.refused',
      'approval.given',
      'grant.opened',
      'token.issued',
      'token.rotated',
      'grant.ended',
    ];
    expect(facts.filter((fact) => !trail.includes(fact))).toEqual([]);
    const order = facts.map((fact) => trail.indexOf(fact));
    expect(order).toEqual([...order].sort((one, other) => one - other));
    await until(async () => ((await world.trace(requestId)).includes('token.used') ? true : undefined));
  });
});
