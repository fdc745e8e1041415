/**
 * Everything at the same instant, again and again, over HTTP at three broker processes: 50 who repeat, five who press
 * a button of the approval page, and the end of the request's time (D8, T81, T82).
 */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { openSession, type Person } from '../../src/console/sessions.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { fieldsOf } from '../console/fixture.ts';
import { onceUnlocked } from '../model/once-unlocked.ts';
import { askingRule, bundleOf } from '../policy/bundles.ts';
import { agent, resource } from '../registry/entries.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../support/broker-process.ts';

const ROUNDS = 1_000;
/** Under way at once, so that the brokers have work while a round is prepared or looked at. */
const LANES = 3;
const POLLERS = 50;
const VERDICTS = ['approve', 'approve', 'approve', 'approve', 'deny'] as const;
const THING = { audience: 'api://thing.prod', scope: 'read' };

/** What met a lock for half a second did nothing, and is told to come back. */
const BUSY = { status: 503, error: 'temporarily_unavailable' } as const;

type Voter = Person & { readonly cookie: string; readonly verdict: (typeof VERDICTS)[number] };

let world: TestWorld;
let brokers: BrokerProcess[];
let voters: Voter[];

/** An agent for each round, so that no denial reaches the next one. */
const agentOf = (round: number) => {
  const access = [{ audience: THING.audience, scopes: [THING.scope] }];
  const entry = agent(`agent-${round}`, round + 1, { access });
  return { ...entry, workload: { ...entry.workload, tenant: world.entra.world.tenant } };
};

const applyAgents = (): Promise<unknown> =>
  applyRegistry(
    world.database,
    {
      version: 1,
      agents: Array.from({ length: ROUNDS }, (_, round) => agentOf(round)),
      resources: [resource(THING.audience, { scopes: { [THING.scope]: 'Reads it' }, default_scopes: [] })],
    },
    { reason: 'a test does', appliedBy: 'test' },
  );

const signIn = async (verdict: Voter['verdict']): Promise<Voter> => {
  const person: Person = {
    tenant: world.entra.world.tenant,
    object: randomUUID(),
    name: 'Avery Approver',
    username: 'avery@lab.example',
    roles: ['Approver', 'Approver.one'],
    authenticatedAt: null,
    authenticationContexts: [],
  };
  const id = await openSession(world.database, person, { replaces: null, traceId: '0'.repeat(32) });
  return { ...person, verdict, cookie: `countersign_session=${id}` };
};

beforeAll(async () => {
  const bundle = join(inject('runDirectory'), 'races.tar.gz');
  await writeFile(bundle, await bundleOf({ rules: [{ ...askingRule(), agents: 'any' }] }));
  world = await startWorld({ brokers: 0, environment: { COUNTERSIGN_POLICY: bundle } });
  await applyAgents();
  brokers = await Promise.all([1, 2, 3].map(() => startBrokerProcess(world.settings)));
  voters = await Promise.all(VERDICTS.map(signIn));
});
afterAll(async () => {
  for (const broker of brokers) expect(await broker.stop()).toBe(0);
  await world.stop();
});

/** A small generator (Lehmer), so that every run begins its rounds alike. */
let seed = 20_261_126;
const random = (below: number): number => {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed % below;
};

const shuffled = <T>(items: readonly T[]): T[] => {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = random(last + 1);
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
};

const portOf = (index: number): number => brokers[index % brokers.length]?.port ?? 0;

/** What a voter's page is about to send. */
const openBallot = async (requestId: string, { cookie, verdict }: Voter, port: number): Promise<string> => {
  const page = await world.send(port, `/approvals/${requestId}`, { method: 'GET', headers: { cookie } });
  expect(page.status).toBe(200);
  return new URLSearchParams({ ...fieldsOf(page.body), verdict, reason: 'checked' }).toString();
};

const press = (requestId: string, { cookie }: Voter, body: string, port: number): Promise<Answer> =>
  world.send(port, `/approvals/${requestId}`, {
    method: 'POST',
    body,
    headers: {
      cookie,
      'content-type': 'application/x-www-form-urlencoded',
      origin: world.issuer,
      'sec-fetch-site': 'same-origin',
    },
  });

const outcomeOf = ({ body }: Answer): string =>
  body.access_token ? JSON.parse(atob(body.access_token.split('.')[1])).jti : body.error;

/** Voters whose vote counted, what the repeats came to, and those after everything. */
type Round = {
  readonly counted: readonly Voter[];
  readonly outcomes: readonly string[];
  readonly late: readonly string[];
};

const runRound = async (round: number, requestId: string, asked: Record<string, string>): Promise<Round> => {
  const counted: Voter[] = [];
  const outcomes: string[] = [];
  const ending = Promise.withResolvers<void>();
  const answersBefore = random(POLLERS);
  const repeat = async (index: number): Promise<string> =>
    outcomeOf(await world.exchange(asked, { port: portOf(index) }));
  const ballots = await Promise.all(
    voters.map((voter, index) => openBallot(requestId, voter, portOf(round + index))),
  );
  const acts = shuffled([
    ...Array.from({ length: POLLERS }, (_, index) => async () => {
      outcomes.push(await repeat(index));
      if (outcomes.length > answersBefore) ending.resolve();
    }),
    ...voters.map((voter, index) => async () => {
      const { status } = await press(requestId, voter, ballots[index] ?? '', portOf(round + index));
      expect([303, 409, BUSY.status]).toContain(status);
      if (status === 303) counted.push(voter);
    }),
    async () => {
      await ending.promise;
      await onceUnlocked(() =>
        sql`update access_requests set expires_at = now() where id = ${requestId}`.execute(world.database.db),
      );
    },
  ]);
  await Promise.all(acts.map((act) => act()));
  return { counted, outcomes, late: await Promise.all(brokers.map((_, index) => repeat(index))) };
};

const TERMINAL = {
  approved: { verdict: 'approve', outcome: /^tok_/, event: 'grant.opened' },
  denied: { verdict: 'deny', outcome: /^access_denied$/, event: 'denial.given' },
  expired: { verdict: null, outcome: /^expired_token$/, event: 'request.expired' },
} as const;
const UNDECIDED = ['authorization_pending', 'slow_down', BUSY.error];

type Found = {
  readonly state: keyof typeof TERMINAL;
  readonly events: readonly string[];
  readonly votes: readonly string[];
  readonly tokens: readonly string[];
};

const findEnd = async (requestId: string): Promise<Found> => {
  const { rows } = await sql<Found>`
    select r.state,
      array(select e.name from audit_events e where e.request_id = r.id
        and e.name in ('grant.opened', 'denial.given', 'request.expired')) as events,
      array(select v.approver_object::text from votes v where v.request_id = r.id) as votes,
      array(select t.jti from grants g join tokens t on t.grant_id = g.id where g.request_id = r.id) as tokens
    from access_requests r where r.id = ${requestId}`.execute(world.database.db);
  return rows[0] ?? expect.fail('the request is gone');
};

const checkRound = async (round: number): Promise<Found['state']> => {
  const { object, application } = agentOf(round).workload;
  const claims = { oid: object, sub: object, azp: application };
  const subject_token = await world.assertion('reporting-agent', { claims });
  const asked = { ...THING, subject_token, request_id: 'round' };
  const opened = await world.exchange(asked, { port: portOf(round) });
  expect(opened.body.error).toBe('authorization_pending');
  const requestId: string = opened.body.request_id;
  const { counted, outcomes, late } = await runRound(round, requestId, asked);
  const { state, events, votes, tokens } = await findEnd(requestId);
  const terminal = TERMINAL[state];
  expect(events).toEqual([terminal.event]);
  expect(counted.map(({ verdict }) => verdict)).toEqual(terminal.verdict === null ? [] : [terminal.verdict]);
  expect(votes).toEqual(counted.map(({ object: voter }) => voter));
  const decided = [...outcomes.filter((outcome) => !UNDECIDED.includes(outcome)), ...late];
  for (const outcome of decided) expect(outcome).toMatch(terminal.outcome);
  expect(new Set(decided.filter((outcome) => outcome.startsWith('tok_')))).toEqual(new Set(tokens));
  expect(tokens).toHaveLength(state === 'approved' ? 1 : 0);
  return state;
};

it('ends each of 1,000 rounds at three broker processes in one state, with one event and at most one jti', {
  timeout: 900_000,
}, async () => {
  const ends = new Map<string, number>();
  let next = 0;
  const runLane = async (): Promise<void> => {
    while (next < ROUNDS) {
      const round = next;
      next += 1;
      const state = await checkRound(round);
      ends.set(state, (ends.get(state) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: LANES }, runLane));
  expect([...ends.keys()].sort()).toEqual(['approved', 'denied', 'expired']);
});
