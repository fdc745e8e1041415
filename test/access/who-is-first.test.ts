/**
 * Two who want the same row at one instant, in both orders: whoever comes second waits for the first and acts on what
 * that one left, not on what it saw before it waited (T82). What they come to is what they come to one after the other.
 */
import { sql } from 'kysely';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { setBlock } from '../../src/access/blocks.ts';
import { expireGrants, expireRequests } from '../../src/access/end.ts';
import { mintToken, redeliverToken } from '../../src/access/issue-token.ts';
import { openRequests } from '../../src/access/open-request.ts';
import { cancelRequest, endGrant, revokeToken } from '../../src/access/revoke.ts';
import { castVote } from '../../src/access/vote.ts';
import { newTokenId } from '../../src/ids.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import {
  AGENT,
  approver,
  DECIDED_ON,
  decisionWith,
  opening,
  openRequest,
  seed,
  VOTED_ON,
} from '../support/access.ts';
import { createDatabase } from '../support/database.ts';
import { untilWaiting } from '../support/locks.ts';
import { checkPromises } from '../support/promises.ts';
import { wordOf } from '../support/vote-as.ts';

const AUTHOR = { by: 'operator', reason: 'at once' };

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
let holder: pg.Client;
beforeAll(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  await seed(database);
  holder = new pg.Client({ connectionString: fresh.applicationDsn });
  await holder.connect();
});
afterEach(async () => {
  await checkPromises(database);
  await sql`update blocks set lifted_at = now() where lifted_at is null`.execute(database.db);
  await sql`update in_force set blocks_revision = 0`.execute(database.db);
});
afterAll(async () => {
  await holder.end();
  await database.close();
  await fresh.drop();
});

/** What both come to that wait for the row which `hold` takes, one after the other. */
const inTurn = async (hold: string, first: () => Promise<string>, second: () => Promise<string>) => {
  await holder.query('begin');
  await holder.query(hold);
  const before = first();
  await untilWaiting(database, 1);
  const after = second();
  await untilWaiting(database, 2);
  await holder.query('commit');
  return Promise.all([before, after]);
};

/** Names what is done, whatever it answers with. */
const said = (yes: string, no: string) => (answer: number | boolean | object | string | null) =>
  answer === 0 || answer === false || answer === null ? no : yes;

describe('of two who decide one pending request at one instant', () => {
  type Pending = Awaited<ReturnType<typeof openRequest>>;
  const timeEnds = ({ requestId }: Pending): Promise<unknown> =>
    sql`update access_requests set expires_at = now() where id = ${requestId}`.execute(database.db);
  const vote =
    (verdict: 'approve' | 'deny') =>
    async (request: Pending): Promise<string> =>
      wordOf(
        await castVote(database, { ...request, verdict, reason: 'r', approver: approver(), ...VOTED_ON }),
      );
  const ACTS = {
    approve: vote('approve'),
    deny: vote('deny'),
    cancel: ({ requestId }: Pending) => cancelRequest(database, requestId, AUTHOR),
    expire: ({ requestId }: Pending) =>
      expireRequests(database, [{ requestId, agentId: AGENT, grantId: null }]).then(
        said('expired', 'not expired'),
      ),
    block: () =>
      setBlock(database, { kind: 'agent', subject: AGENT, lasting: true }, AUTHOR).then(said('blocked', '')),
  };

  it.each([
    ['approve', 'deny', ['approved', 'already_decided'], ['approved', 'offered']],
    ['deny', 'approve', ['denied', 'already_decided'], ['denied', null]],
    ['approve', 'cancel', ['approved', 'over'], ['approved', 'offered']],
    ['cancel', 'approve', ['cancelled', 'already_decided'], ['cancelled', null]],
    ['deny', 'cancel', ['denied', 'over'], ['denied', null]],
    ['cancel', 'deny', ['cancelled', 'already_decided'], ['cancelled', null]],
    ['approve', 'block', ['approved', 'blocked'], ['approved', 'ended']],
    ['block', 'approve', ['blocked', 'already_decided'], ['cancelled', null]],
    ['deny', 'block', ['denied', 'blocked'], ['denied', null]],
    ['block', 'deny', ['blocked', 'already_decided'], ['cancelled', null]],
    ['cancel', 'block', ['cancelled', 'blocked'], ['cancelled', null]],
    ['approve', 'expire', ['already_decided', 'expired'], ['expired', null]],
    ['expire', 'approve', ['expired', 'already_decided'], ['expired', null]],
    ['cancel', 'expire', ['cancelled', 'not expired'], ['cancelled', null]],
    ['expire', 'cancel', ['expired', 'over'], ['expired', null]],
  ] as const)('%s before %s', async (first, second, words, standing) => {
    const request = await openRequest(database, decisionWith({}));
    if (first === 'expire' || second === 'expire') await timeEnds(request);
    const hold = `select from access_requests where id = '${request.requestId}' for update`;
    const [one, other] = [ACTS[first], ACTS[second]];
    expect(
      await inTurn(
        hold,
        () => one(request),
        () => other(request),
      ),
    ).toEqual(words);
    const { rows } = await sql<{ state: string; grant: string | null }>`
      select r.state, g.state as grant from access_requests r left join grants g on g.request_id = r.id
      where r.id = ${request.requestId}`.execute(database.db);
    expect(rows.map(({ state, grant }) => [state, grant])).toEqual([standing]);
  });

  it('one decides, of four at once and the end of its time, and one event tells it', async () => {
    const ends = new Set<string>();
    for (let round = 0; round < 200; round += 1) {
      const request = await openRequest(database, decisionWith({}));
      const { requestId } = request;
      const end = (): Promise<string> => timeEnds(request).then(() => ACTS.expire(request));
      const acts = [vote('approve'), vote('deny'), vote('approve'), ACTS.cancel, end];
      const turned = acts.map((_, index) => acts[(index + round) % acts.length]);
      await Promise.all(turned.map((act) => act?.(request)));
      const { rows } = await sql<{ state: string; events: string[] }>`
        select r.state, array(select e.name from audit_events e where e.request_id = r.id and e.name in
          ('grant.opened', 'denial.given', 'request.cancelled', 'request.expired')) as events
        from access_requests r where r.id = ${requestId}`.execute(database.db);
      ends.add(JSON.stringify(rows));
    }
    const told = [
      ['approved', 'grant.opened'],
      ['denied', 'denial.given'],
      ['cancelled', 'request.cancelled'],
      ['expired', 'request.expired'],
    ].map(([state, event]) => JSON.stringify([{ state, events: [event] }]));
    expect([...ends].sort()).toEqual(told.sort());
  });
});

describe('of two who want one grant at one instant', () => {
  type Given = { readonly requestId: string; readonly grantId: string; readonly jti: string };
  const issued = (requestId: string, jti: string) =>
    [{ name: 'token.issued', requestId, agentId: AGENT, data: { jti } }] as const;
  const ending = ({ requestId, grantId }: Given) => [{ requestId, agentId: AGENT, grantId }];
  const ACTS = {
    'fetch again': ({ requestId, grantId, jti }: Given) =>
      redeliverToken(database, DECIDED_ON, {
        grantId,
        jti,
        proof: null,
        events: [{ name: 'token.redelivered', requestId, agentId: AGENT, data: { jti } }],
      }).then(said('given', 'not given')),
    rotate: ({ requestId, grantId, jti }: Given) => {
      const next = newTokenId();
      const minting = { grantId, seenJti: jti, jti: next, kid: 'kid', tokenSeconds: 45, proof: null };
      return mintToken(database, DECIDED_ON, { ...minting, events: issued(requestId, next) }).then(
        said('minted', 'not minted'),
      );
    },
    revoke: ({ jti }: Given) => revokeToken(database, jti, AUTHOR),
    end: ({ requestId }: Given) => endGrant(database, requestId, AUTHOR, 'operator'),
    expire: (given: Given) => expireGrants(database, ending(given)).then(said('expired', 'not expired')),
  };

  const timeEnds = ({ grantId }: Given): Promise<unknown> =>
    sql`with over as (update tokens set expires_at = now() where grant_id = ${grantId})
      update grants set approved_until = now() where id = ${grantId}`.execute(database.db);
  const give = async (): Promise<Given> => {
    const asked = opening({});
    await openRequests(database, [asked]);
    return {
      requestId: asked.requestId,
      grantId: asked.permitted?.grantId ?? '',
      jti: asked.permitted?.jti ?? '',
    };
  };

  it.each([
    ['fetch again', 'end', ['given', 'ended'], ['REVOKED']],
    ['end', 'fetch again', ['ended', 'not given'], ['REVOKED']],
    ['fetch again', 'revoke', ['given', 'revoked'], ['REVOKED']],
    ['revoke', 'fetch again', ['revoked', 'not given'], ['REVOKED']],
    ['fetch again', 'rotate', ['given', 'minted'], ['ROTATED', 'ACTIVE']],
    ['rotate', 'fetch again', ['minted', 'not given'], ['ROTATED', 'ACTIVE']],
    ['rotate', 'rotate', ['minted', 'not minted'], ['ROTATED', 'ACTIVE']],
    ['rotate', 'revoke', ['minted', 'revoked'], ['REVOKED', 'ACTIVE']],
    ['revoke', 'rotate', ['revoked', 'not minted'], ['REVOKED']],
    ['rotate', 'end', ['minted', 'ended'], ['REVOKED', 'REVOKED']],
    ['end', 'rotate', ['ended', 'not minted'], ['REVOKED']],
    ['revoke', 'end', ['revoked', 'ended'], ['REVOKED']],
    ['end', 'revoke', ['ended', 'over'], ['REVOKED']],
    ['end', 'expire', ['ended', 'not expired'], ['REVOKED']],
    ['expire', 'end', ['expired', 'over'], ['ACTIVE']],
  ] as const)('%s before %s', async (first, second, words, states) => {
    const given = await give();
    if (first === 'expire' || second === 'expire') await timeEnds(given);
    const hold = `select from grants where id = '${given.grantId}' for update`;
    const [one, other] = [ACTS[first], ACTS[second]];
    expect(
      await inTurn(
        hold,
        () => one(given),
        () => other(given),
      ),
    ).toEqual(words);
    const { rows } = await sql<{ state: string; told: boolean }>`
      select t.state, exists(select from revocations r where r.subject = t.jti) as told from tokens t
      where t.grant_id = ${given.grantId} order by t.jti <> ${given.jti}`.execute(database.db);
    expect(rows).toEqual(states.map((state) => ({ state, told: state === 'REVOKED' })));
  });
});
