/** The pages of approvers with a hundred thousand decided requests: what a query touches does not grow with them. */
import { type RawBuilder, sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decidedQuery, type QueueFilter, type QueuePage } from '../../src/access/queue-lists.ts';
import { historyQuery } from '../../src/access/unusual.ts';
import { startConsole, type TestConsole } from '../console/fixture.ts';

const DECIDED = 100_000;
/** Pages of 8 KiB that a query may read: fifty rows with their votes and people, each by its key, and a little. */
const MAX_BUFFERS = 1500;

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
  const template = await test.openRequest({ scopes: ['reports.read'] });
  const owner = new pg.Client(test.ownerDsn);
  await owner.connect();
  await owner.query(
    `insert into access_requests (id, agent_id, audience, scopes, authorization_details, request_digest, workload,
      registry_revision, decision, terms, terms_digest, quorum, approvals, state, opened_at, expires_at, decided_at)
    select 'areq_old' || n, r.agent_id, r.audience, r.scopes, r.authorization_details, r.request_digest, r.workload,
      r.registry_revision, r.decision,
      jsonb_set(r.terms, '{groups}', case when n % 2000 = 0 then '["knowledge"]'::jsonb else '["payroll"]'::jsonb end),
      r.terms_digest, 1, 1, case when n % 10 = 0 then 'denied' else 'approved' end,
      now() - n * interval '1 minute', now() - n * interval '1 minute', now() - n * interval '1 minute'
    from access_requests r, generate_series(1, $2::int) as n where r.id = $1`,
    [template.requestId, DECIDED],
  );
  const { second, approver, sponsor } = test.people;
  await owner.query(
    `insert into votes (request_id, approver_tenant, approver_object, verdict, approver_group, reason, terms_digest,
      signed_in_at, voted_at)
    select id, $1, case when opened_at > now() - interval '30 days' then $2::uuid
        when substr(id, 9)::int % 5000 = 0 then $4::uuid else $3::uuid end,
      'approve', 'payroll', 'as every month', terms_digest, opened_at, decided_at
    from access_requests where state <> 'pending'`,
    [second.tenant, second.object, approver.object, sponsor.object],
  );
  await owner.query('analyze');
  await owner.end();
}, 120_000);
afterAll(() => test.stop());

type Plan = {
  'Node Type': string;
  Plans?: Plan[];
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
};

const buffersOf = async (query: RawBuilder<unknown>): Promise<number> => {
  const { rows } = await sql<{ 'QUERY PLAN': [{ Plan: Plan }] }>`
    explain (analyze, buffers, timing off, format json) ${query}`.execute(test.database.pages);
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  if (plan === undefined) throw new Error('no plan');
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
};

const ANY: QueueFilter = {
  agents: null,
  audiences: null,
  outcome: null,
  approvers: null,
  from: null,
  before: null,
};
const page = (filter: Partial<QueueFilter> = {}, after: QueuePage['after'] = null): QueuePage => ({
  after,
  limit: 50,
  filter: { ...ANY, ...filter },
});

const FAR_DOWN = {
  rank: 0,
  time: new Date(Date.now() - 60_000 * 90_000).toISOString().replace('Z', '000Z'),
  id: 'x',
};
const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();

it.each<[string, 'approver' | 'knowledge', () => QueuePage]>([
  ['the newest', 'approver', () => page()],
  ['those of a group that decides seldom', 'knowledge', () => page()],
  ['those of an agent', 'approver', () => page({ agents: ['reporting-agent'] })],
  ['those of an agent that never asked', 'approver', () => page({ agents: ['support-agent'] })],
  ['those of an API that nobody asked for', 'approver', () => page({ audiences: ['api://knowledge.prod'] })],
  ['those denied', 'approver', () => page({ outcome: 'denied' })],
  ['those of an approver who decides most', 'approver', () => page({ approvers: [test.people.approver] })],
  ['those of an approver who decides now', 'approver', () => page({ approvers: [test.people.second] })],
  ['those of an approver who decides seldom', 'approver', () => page({ approvers: [test.people.sponsor] })],
  ['those of an approver who decided nothing', 'approver', () => page({ approvers: [test.people.owner] })],
  [
    'those of an approver, of a group that decides seldom',
    'knowledge',
    () => page({ approvers: [test.people.approver] }),
  ],
  [
    'those of several approvers, far down',
    'approver',
    () => page({ approvers: [test.people.approver, test.people.second] }, FAR_DOWN),
  ],
  ['those of nobody', 'approver', () => page({ approvers: [] })],
  ['those of two days', 'approver', () => page({ from: daysAgo(42), before: daysAgo(40) })],
  ['those of days without any', 'approver', () => page({ from: daysAgo(-1) })],
  [
    'those of an approver in days when others decided',
    'approver',
    () => page({ approvers: [test.people.approver], from: daysAgo(20) }),
  ],
  ['a page far down', 'approver', () => page({}, FAR_DOWN)],
])('%s are found by an index', async (_, who, asked) => {
  expect(await buffersOf(decidedQuery(test.people[who], asked()))).toBeLessThan(MAX_BUFFERS);
});

it('compares with a bounded history of the agent', async () => {
  const { requestId } = await test.openRequest({ scopes: ['reports.compared'] });
  const request = { agentId: 'reporting-agent', audience: 'api://reports.prod', requestId };
  expect(await buffersOf(historyQuery(request))).toBeLessThan(MAX_BUFFERS);
});
