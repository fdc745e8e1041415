/** What the console is sent to break it: always a page that refuses, never an error of ours. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventsOf, startConsole, type TestConsole } from './fixture.ts';
import { vote } from './voting.ts';

let test: TestConsole;

beforeAll(async () => {
  test = await startConsole();
});
afterAll(() => test.stop());

/** The limit falls between the halves of the surrogate pair. */
const SPLIT_REASON = `${'a'.repeat(999)}😀`;

describe('a vote that cannot count', () => {
  it('is told in the trail even where its reason is cut within a character', async () => {
    const request = await test.openRequest();
    const answer = await vote(test, request, test.people.owner, { reason: SPLIT_REASON });
    expect(answer.status).toBe(403);
    expect(await eventsOf(test, request.requestId)).toContain('approval.refused');
  });

  it('leaves nothing but a digest where a digest belongs', async () => {
    const request = await test.openRequest();
    await vote(test, request, test.people.owner, { terms_digest: 'x'.repeat(10_000) });
    const { rows } = await sql<{ bytes: number }>`
      select length(body) as bytes from audit_events
      where request_id = ${request.requestId} and name = 'approval.refused'`.execute(test.database.db);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.bytes).toBeLessThan(2_000);
  });
});

describe('the queue', () => {
  it.each(['2026-02-31T00:00:00.000000Z', '0000-01-01T00:00:00.000000Z', '2026-01-01T24:00:00.000000Z'])(
    'takes a cursor of the time %s, which no calendar has, for none',
    async (time) => {
      const cookie = await test.signIn(test.people.approver);
      for (const show of ['', '&show=decided']) {
        const answer = await test.get(`/approvals?after=0~${time}~areq_x${show}`, { cookie });
        expect(answer.status).toBe(200);
      }
    },
  );
});
