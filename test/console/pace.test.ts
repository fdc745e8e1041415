/** What people and strangers may do only so often on the pages. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startConsole, type TestConsole } from './fixture.ts';
import { openPage, pathOf, stateOf } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole(undefined, { vote: 3, sign_in: 3 });
});
afterAll(() => test.stop());

const tripped = async (limit: string): Promise<Readonly<Record<string, unknown>>[]> => {
  const { rows } = await sql<{ body: Readonly<Record<string, unknown>> }>`
    select convert_from(body, 'UTF8')::jsonb as body from audit_events where name = 'ratelimit.tripped'`.execute(
    test.database.db,
  );
  return rows.map(({ body }) => body).filter((body) => body.reason === `limit_${limit}`);
};

describe('votes', () => {
  it('are so many of one person, in whatever session; what was typed is kept, and others go on', async () => {
    const request = await test.openRequest();
    const { approver, second } = test.people;
    const empty = async (who = approver) => {
      const { cookie, form } = await openPage(test, request, who);
      return test.post(pathOf(request), { ...form, verdict: 'approve', reason: '' }, { cookie });
    };
    expect([(await empty()).status, (await empty()).status, (await empty()).status]).toEqual([422, 422, 422]);
    const { cookie, form } = await openPage(test, request, approver);
    const answer = await test.post(
      pathOf(request),
      { ...form, verdict: 'approve', reason: 'the month is closed' },
      { cookie },
    );
    expect(answer.status).toBe(429);
    expect(answer.headers.get('ratelimit-policy')).toBe('"vote";q=3;w=60');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answer.text()).toContain('the month is closed');
    expect(await stateOf(test, request)).toBe('pending');
    const { tenant, object } = approver;
    expect(await tripped('vote')).toEqual([
      expect.objectContaining({ quota: 3, person: { tenant, object } }),
    ]);
    expect((await empty(second)).status).toBe(422);
  });
});

describe('sign-ins', () => {
  it('are begun so often from one address, and leave no more rows than that', async () => {
    const begin = () => test.get('/sign-in?return_to=%2F');
    const statuses: number[] = [];
    for (let n = 0; n < 6; n += 1) statuses.push((await begin()).status);
    // Nobody is there at this console's Entra.
    expect(statuses).toEqual([503, 503, 503, 429, 429, 429]);
    const { rows } = await sql<{ count: number }>`select count(*) as count from sign_ins`.execute(
      test.database.db,
    );
    expect(rows).toEqual([{ count: 3 }]);
    expect(await tripped('sign_in')).toEqual([expect.objectContaining({ network: '127.0.0.0/24' })]);
    expect((await test.get('/sign-in')).status).toBe(200);
  });
});
