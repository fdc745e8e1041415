/** Votes that come after the end: of a request that was denied, picked up or past its time (T83, T86). */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { mintToken } from '../../src/access/issue-token.ts';
import { sweep } from '../../src/access/sweep.ts';
import { newTokenId } from '../../src/ids.ts';
import { checkPromises } from '../support/promises.ts';
import { type OpenedRequest, startConsole, type TestConsole } from './fixture.ts';
import { POLICY_REVISION } from './requests-fixture.ts';
import { openPage, pathOf, vote } from './voting.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterEach(() => checkPromises(test.database));
afterAll(() => test.stop());

const refusedEvents = async ({ requestId }: OpenedRequest): Promise<string[]> => {
  const { rows } = await sql<{ refused: string }>`
    select convert_from(body, 'UTF8')::jsonb ->> 'refused' as refused from audit_events
    where request_id = ${requestId} and name = 'approval.refused'`.execute(test.database.db);
  return rows.map(({ refused }) => refused);
};

const pickUp = async ({ requestId }: OpenedRequest): Promise<void> => {
  const { rows } = await sql<{ id: string }>`select id from grants where request_id = ${requestId}`.execute(
    test.database.db,
  );
  const jti = newTokenId();
  const minted = await mintToken(
    test.database,
    {
      agentId: 'reporting-agent',
      registryRevision: test.registry.revision,
      policyRevision: POLICY_REVISION,
      blocksRevision: 0,
    },
    {
      grantId: rows[0]?.id ?? '',
      seenJti: null,
      jti,
      kid: 'kid',
      tokenSeconds: 45,
      proof: null,
      events: [{ name: 'token.issued', requestId, agentId: 'reporting-agent', data: { jti } }],
    },
  );
  expect(minted).not.toBeNull();
};
const timeIsOver = ({ requestId }: OpenedRequest) =>
  sql`update access_requests set expires_at = now() where id = ${requestId}`.execute(test.database.db);

it.each<[string, (request: OpenedRequest) => Promise<unknown>]>([
  ['denied', (request) => vote(test, request, test.people.approver, { verdict: 'deny' })],
  [
    'picked up',
    async (request) => {
      await vote(test, request, test.people.approver);
      await pickUp(request);
    },
  ],
  ['past its time, before anybody swept,', timeIsOver],
  [
    'expired',
    async (request) => {
      await timeIsOver(request);
      await sweep(test.database);
    },
  ],
])('on what is %s is a conflict that changes nothing and is told (T83, T86)', async (what, end) => {
  // A denial holds for its action alone.
  const request = await test.openRequest({ scopes: [`reports.${what.split(' ')[0]}`] });
  const { cookie, form } = await openPage(test, request, test.people.second);
  await end(request);
  const found = () =>
    sql`select r.*, g.state as grant_state, g.current_jti,
        (select count(*) from votes v where v.request_id = r.id) as votes
      from access_requests r left join grants g on g.request_id = r.id where r.id = ${request.requestId}`.execute(
      test.database.db,
    );
  const before = await found();
  for (const verdict of ['approve', 'deny']) {
    const sent = { ...form, verdict, reason: 'too late' };
    expect((await test.post(pathOf(request), sent, { cookie })).status).toBe(409);
  }
  expect(await found()).toEqual(before);
  expect(await refusedEvents(request)).toEqual(['already_decided', 'already_decided']);
});
