/** `Prefer: wait`: a pending answer waits for the decision, and nothing that was true before the wait counts after it. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startBroker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import { bundleOf, openEngine, permitRule, shippedBundle } from '../policy/bundles.ts';
import { type Answer, JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { changeAgent } from '../support/change-registry.ts';
import { until } from '../support/fact.ts';
import { checkPromises } from '../support/promises.ts';
import { createProver } from '../support/prover.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };

type Options = {
  readonly seconds?: number;
  readonly headers?: Record<string, string>;
  readonly port?: number;
};

const waitFor = async (
  parameters: Readonly<Record<string, string>>,
  { seconds = 30, headers, port = 0 }: Options = {},
): Promise<Answer> =>
  world.exchange(
    { subject_token: await world.assertion('reporting-agent'), ...EXPORT, ...parameters },
    { headers: { prefer: `wait=${seconds}`, ...headers }, ...(port !== 0 && { port }) },
  );

/** The broker's id of the request that the agent opened under this key, as soon as it waits for people. */
const opened = (key: string): Promise<string> =>
  until(async () => {
    const { rows } = await sql<{ request_id: string }>`
      select request_id from request_keys where key = ${`i:${key}`}`.execute(world.database.db);
    return rows[0]?.request_id;
  });

const inShort = ({ status, headers, body }: Answer): string =>
  `${status} ${body.error ?? 'issued'}${headers.get('preference-applied') === 'wait' ? ', waited' : ''}`;

const approveWithin = async (key: string): Promise<void> => {
  expect(await world.vote(await opened(key), 'approve')).toEqual({ outcome: 'approved' });
};

const activate = async (bundle: Uint8Array): Promise<void> => {
  const revision = await (await openEngine()).load(bundle);
  await activatePolicy(world.database, bundle, revision, { reason: 'test', appliedBy: 'test' });
};

describe('a pending answer that may wait', () => {
  it('is the token as soon as people approve, for the opening and for its repeat alike', async () => {
    const asked = [waitFor({ request_id: 'approved' }), waitFor({ request_id: 'approved' })];
    await approveWithin('approved');
    const answers = await Promise.all(asked);
    expect(answers.map(inShort)).toEqual(['200 issued, waited', '200 issued, waited']);
    const jtis = answers.map(({ body }) => JSON.parse(atob(body.access_token.split('.')[1])).jti);
    expect(new Set(jtis).size).toBe(1);
  });

  it('is the denial as soon as people deny, and tells which request it was', async () => {
    const asked = waitFor({ request_id: 'denied' });
    const requestId = await opened('denied');
    await world.vote(requestId, 'deny');
    const answer = await asked;
    expect(inShort(answer)).toBe('400 access_denied, waited');
    expect(answer.body.request_id).toBe(requestId);
    await sql`update denials set held_until = now()`.execute(world.database.db);
  });

  it('is expired_token when its time is over meanwhile, and opens nothing new', async () => {
    const asked = waitFor({});
    const requestId = await until(async () => {
      const { rows } = await sql<{ id: string }>`
        select id from access_requests where state = 'pending'`.execute(world.database.db);
      return rows[0]?.id;
    });
    await sql`update access_requests set expires_at = now() where id = ${requestId}`.execute(
      world.database.db,
    );
    expect(inShort(await asked)).toBe('400 expired_token, waited');
    const { rows } = await sql`select from access_requests where state = 'pending'`.execute(
      world.database.db,
    );
    expect(rows).toHaveLength(0);
  });

  it('is pending after the seconds it wished for, and neither it nor the next one came too early', async () => {
    const subject_token = await world.assertion('reporting-agent');
    const answers = [];
    for (let repeat = 0; repeat < 3; repeat += 1)
      answers.push(await waitFor({ request_id: 'patient', subject_token }, { seconds: 1 }));
    expect(answers.map(inShort)).toEqual(Array(3).fill('400 authorization_pending, waited'));
    expect(answers.map(({ body }) => body.interval)).toEqual([5, 5, 5]);
    await world.vote(await opened('patient'), 'approve');
  });

  it('takes a proof once, for the pending answer and the token together', async () => {
    const key = await createProver();
    const dpop = key.prove('POST', `${world.issuer}/token`);
    const pending = await world.exchange(
      { subject_token: await world.assertion('reporting-agent'), ...EXPORT, request_id: 'bound' },
      { headers: { dpop: key.prove('POST', `${world.issuer}/token`) } },
    );
    const asked = waitFor({ request_id: 'bound' }, { headers: { dpop } });
    await world.vote(pending.body.request_id, 'approve');
    const answer = await asked;
    expect([answer.status, answer.body.token_type]).toEqual([200, 'DPoP']);
    expect(inShort(await waitFor({ request_id: 'bound' }, { headers: { dpop } }))).toBe(
      '400 invalid_dpop_proof',
    );
  });
});

describe('after the wait', () => {
  it('an assertion that expired meanwhile is none', async () => {
    // 30 s of clock difference are forgiven: it is good for three seconds more.
    const subject_token = await world.assertion('reporting-agent', {
      claims: { exp: Math.floor(Date.now() / 1000) - 27 },
    });
    const asked = waitFor({ request_id: 'old', subject_token }, { seconds: 5 });
    await opened('old');
    expect(inShort(await asked)).toBe('400 invalid_request, waited');
  });

  it('policy is asked again', async () => {
    const asked = waitFor({ request_id: 'no-longer' });
    const requestId = await opened('no-longer');
    await activate(await bundleOf({ rules: [permitRule()] }));
    await world.vote(requestId, 'approve');
    expect(inShort(await asked)).toBe('400 access_denied, waited');
    expect(await world.trace(requestId)).toContain('grant.ended');
    await activate(shippedBundle());
  });

  it('an agent that was disabled gets nothing, whatever people decided', async () => {
    const asked = waitFor({ request_id: 'disabled' });
    const requestId = await opened('disabled');
    await changeAgent(world, 'reporting-agent', { enabled: false });
    await world.vote(requestId, 'approve');
    expect(inShort(await asked)).toBe('400 access_denied, waited');
    await changeAgent(world, 'reporting-agent', { enabled: true });
    await until(async () => {
      const { body } = await waitFor({ request_id: 'unknown-to-it' }, { seconds: 0 });
      return body.reason === undefined ? true : undefined;
    });
  });
});

describe('waits are bounded', () => {
  it('to two of a request: the others are answered at once', async () => {
    const atOnce: Answer[] = [];
    const asked = Array.from({ length: 5 }, async () => {
      const answer = await waitFor({ request_id: 'crowd' });
      if (answer.status === 400) atOnce.push(answer);
      return answer;
    });
    await until(async () => (atOnce.length >= 3 ? true : undefined));
    expect(atOnce.map(inShort)).toEqual(Array(3).fill('400 authorization_pending'));
    await approveWithin('crowd');
    expect((await Promise.all(asked)).filter(({ status }) => status === 200).map(inShort)).toEqual([
      '200 issued, waited',
      '200 issued, waited',
    ]);
  });

  it('to twenty of an agent, and other agents wait beside it', async () => {
    const keys = Array.from({ length: 11 }, (_, index) => `many-${index}`);
    const atOnce: Answer[] = [];
    const asked = keys.flatMap((request_id) =>
      [1, 2].map(async () => {
        const answer = await waitFor({ request_id });
        if (answer.status === 400) atOnce.push(answer);
        return answer;
      }),
    );
    await until(async () => (atOnce.length >= 2 ? true : undefined));
    expect(atOnce.map(inShort)).toEqual(Array(2).fill('400 authorization_pending'));
    const other = await waitFor(
      {
        subject_token: await world.assertion('ops-agent'),
        audience: 'api://operations.prod',
        scope: 'release.deploy',
      },
      { seconds: 1 },
    );
    expect(inShort(other)).toBe('400 authorization_pending, waited');
    for (const key of keys) await approveWithin(key);
    expect((await Promise.all(asked)).filter(({ status }) => status === 200)).toHaveLength(20);
  });

  it('and end with the client that goes away', async () => {
    const body = new URLSearchParams({
      grant_type: TOKEN_EXCHANGE,
      subject_token_type: JWT_TYPE,
      subject_token: await world.assertion('reporting-agent'),
      ...EXPORT,
      request_id: 'gone',
    });
    const leaving = new Set<AbortController>();
    const send = (): void => {
      const client = new AbortController();
      leaving.add(client);
      const sent = { method: 'POST', headers: { prefer: 'wait=30' }, body, signal: client.signal };
      fetch(`${world.issuer}/token`, sent).then(
        () => leaving.delete(client),
        () => undefined,
      );
    };
    send();
    await opened('gone');
    await until(async () => {
      // One that came while this look itself was let wait was answered at once.
      while (leaving.size < 2) send();
      const look = await waitFor({ request_id: 'gone' }, { seconds: 1 });
      return look.headers.has('preference-applied') ? undefined : true;
    });
    for (const client of leaving) client.abort();
    await until(async () =>
      (await waitFor({ request_id: 'gone' }, { seconds: 1 })).headers.has('preference-applied')
        ? true
        : undefined,
    );
  });

  it('and with the broker: who waits is answered', async () => {
    const broker = await startBroker(
      loadConfig({ ...world.settings, COUNTERSIGN_LISTEN: '127.0.0.1:0' }),
      pino({ enabled: false }),
    );
    const asked = Promise.all(
      ['last-1', 'last-2'].map((request_id) => waitFor({ request_id }, { port: broker.port })),
    );
    await opened('last-1');
    await opened('last-2');
    const stopped = broker.stop();
    expect((await asked).map(({ body }) => body.error)).toEqual(Array(2).fill('authorization_pending'));
    await stopped;
  });
});
