/** The life of a credential over HTTP: the same again, its successor, and a fresh decision. Time passes in the rows. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export', request_id: 'month-end' };
const READ = { audience: 'api://knowledge.prod', scope: 'articles.read', request_id: 'lookup' };

const jtiOf = ({ body }: Answer): string => JSON.parse(atob(body.access_token.split('.')[1] ?? '')).jti;

/** Makes a token and its grant as old as if so many seconds had passed. */
const age = async (jti: string, seconds: number): Promise<void> => {
  const client = new pg.Client({ connectionString: world.ownerDsn });
  await client.connect();
  await client.query(
    `with token as (
       update tokens set issued_at = issued_at - make_interval(secs => $2), expires_at = expires_at - make_interval(secs => $2)
       where jti = $1 returning grant_id)
     update grants g set approved_until = approved_until - make_interval(secs => $2) from token where g.id = token.grant_id`,
    [jti, seconds],
  );
  await client.end();
};

const ask = async (agent: string, parameters: Record<string, string>): Promise<Answer> =>
  world.exchange({ ...parameters, subject_token: await world.assertion(agent) });

it('an approved grant gives the same token until a third of its life is left, then its one successor', async () => {
  const { request_id } = (await ask('reporting-agent', EXPORT)).body;
  await world.vote(request_id, 'approve');
  const first = await ask('reporting-agent', EXPORT);
  await age(jtiOf(first), 25);
  expect(jtiOf(await ask('reporting-agent', EXPORT))).toBe(jtiOf(first));
  await age(jtiOf(first), 10);
  const successors = await Promise.all(Array.from({ length: 10 }, () => ask('reporting-agent', EXPORT)));
  expect(new Set(successors.map(jtiOf)).size).toBe(1);
  expect(successors.every(({ body }) => body.request_id === request_id && body.expires_in > 40)).toBe(true);
  // What is left of the approval is told with each token, and nothing makes it more.
  expect(first.body.grant_expires_in).toBeGreaterThan(first.body.expires_in);
  for (const { body } of successors)
    expect(body.grant_expires_in).toBeLessThanOrEqual(first.body.grant_expires_in - 35);
  const rows = await world.database.query<{ jti: string; state: string; successor_jti: string | null }>(
    {
      name: 'tokens-of',
      text: 'select t.jti, t.state, t.successor_jti from tokens t join grants g on g.id = t.grant_id where g.request_id = $1 order by t.state desc',
    },
    [request_id],
  );
  const [successor] = successors.map(jtiOf);
  expect(rows).toEqual([
    { jti: jtiOf(first), state: 'ROTATED', successor_jti: successor },
    { jti: successor, state: 'ACTIVE', successor_jti: null },
  ]);
  expect(await world.trace(request_id)).toContain('token.rotated');
});

it('a permit of one token is decided anew once a third of its life is left', async () => {
  const first = await ask('support-agent', READ);
  await age(jtiOf(first), 25);
  expect(jtiOf(await ask('support-agent', READ))).toBe(jtiOf(first));
  await age(jtiOf(first), 10);
  const next = await ask('support-agent', READ);
  expect(next.body.request_id).not.toBe(first.body.request_id);
  expect(next.body.expires_in).toBeGreaterThan(40);
});
