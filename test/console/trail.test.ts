import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { appendEvents } from '../../src/audit/append.ts';
import { newRequestId } from '../../src/ids.ts';
import { startConsole, type TestConsole } from './fixture.ts';
import { vote } from './voting.ts';

let test: TestConsole;
let auditor: string;
beforeAll(async () => {
  test = await startConsole();
  auditor = await test.signIn(test.people.auditor);
});
afterAll(() => test.stop());

const page = async (path: string, cookie = auditor): Promise<string> =>
  (await test.get(path, { cookie })).text();
const named = (text: string): string[] =>
  [...text.matchAll(/class="event-name">([^<]+)</g)].map(([, name = '']) => name);
const count = async (): Promise<number> => {
  const { rows } = await sql<{ count: number }>`select count(*) as count from audit_events`.execute(
    test.database.db,
  );
  return rows[0]?.count ?? 0;
};

it('shows a trace in order, with event names as they are, times, gaps and who it was by name', async () => {
  const request = await test.openRequest();
  await vote(test, request, test.people.approver);
  const text = await page(`/requests/${request.requestId}`);
  expect([...text.matchAll(/<h2><code>([^<]+)<\/code>/g)].map(([, name]) => name)).toEqual([
    'assertion.verified',
    'agent.mapped',
    'policy.decided',
    'request.opened',
    'approval.given',
    'grant.opened',
  ]);
  expect(text.match(/class="step-gap">\+/g)).toHaveLength(5);
  expect(text).toContain('Avery Approver');
});

it('opens a trace to auditors and to those who may decide on the request, and to nobody else', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const statuses = await Promise.all(
    [test.people.auditor, test.people.approver, test.people.knowledge, test.people.visitor].map(
      async (who) =>
        (await test.get(`/requests/${request.requestId}`, { cookie: await test.signIn(who) })).status,
    ),
  );
  expect(statuses).toEqual([200, 200, 404, 404]);
});

it('says in its title what policy refused to whom, in names of the registry only', async () => {
  const title = async (data: Readonly<Record<string, string | string[]>>): Promise<string> => {
    const requestId = newRequestId();
    await appendEvents(test.database.db, [
      { name: 'policy.decided', requestId, agentId: 'reporting-agent', data: { decision: 'deny', ...data } },
    ]);
    const [, text = ''] = /<h1>(.*?)<\/h1>/s.exec(await page(`/requests/${requestId}`)) ?? [];
    return text.replaceAll(/<[^>]+>/g, '').trim();
  };
  const refused = { audience: 'api://reports.prod', scopes: ['payroll.export'] };
  expect(await title(refused)).toBe('Reporting agent was refused payroll.export on Reports');
  const unnamed = 'Refused before a request was opened';
  expect(await title({ ...refused, scopes: ['payroll.export', 'Approved'] })).toBe(unnamed);
  expect(await title({ ...refused, audience: 'api://approved' })).toBe(unnamed);
});

it('refreshes a trace by part, and answers 304 while nothing happened', async () => {
  const request = await test.openRequest({ scopes: ['reports.read'] });
  const path = `/requests/${request.requestId}`;
  const tag = /hx-ptag="([0-9a-f]+)"/.exec(await page(path))?.[1] ?? '';
  const part = { cookie: auditor, 'hx-request': 'true', 'hx-ptag': tag };
  expect((await test.get(path, part)).status).toBe(304);
  await vote(test, request, test.people.approver, { verdict: 'deny' });
  const changed = await test.get(path, part);
  expect(changed.status).toBe(200);
  expect(await changed.text()).toContain('denial.given');
});

it('pages the trail without skipping or repeating, while it grows', async () => {
  const told = Array.from({ length: 120 }, (_, index) => ({
    name: 'token.redelivered' as const,
    agentId: 'paged-agent',
    data: { mark: `m${index}` },
  }));
  await appendEvents(test.database.db, told);
  const marks: string[] = [];
  let next: string | undefined = '/audit?agent=paged-agent';
  while (next !== undefined) {
    const text = await page(next);
    marks.push(...[...text.matchAll(/>(m\d+)</g)].map(([, mark = '']) => mark));
    await appendEvents(test.database.db, [{ name: 'token.redelivered', agentId: 'paged-agent', data: {} }]);
    next = /<a href="(\/audit\?[^"]*before=\d+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
  }
  expect(marks).toEqual(told.map(({ data }) => data.mark).reverse());
});

it('filters by agent, request, event and time', async () => {
  const request = await test.openRequest({
    agent: 'support-agent',
    audience: 'api://knowledge.prod',
    scopes: ['articles.read'],
  });
  expect(named(await page(`/audit?request=${request.requestId}`))).toHaveLength(4);
  expect(new Set(named(await page('/audit?event=request.opened')))).toEqual(new Set(['request.opened']));
  const { rows } = await sql<{ at: Date }>`select max(recorded_at) as at from audit_events`.execute(
    test.database.db,
  );
  const last = rows[0]?.at ?? new Date();
  const later = new Date(last.getTime() + 1).toISOString();
  expect(named(await page(`/audit?from=${later}`))).toEqual([]);
  expect(named(await page(`/audit?to=${later}`)).length).toBeGreaterThan(0);
});

it('finds exactly what was recorded between two times, wherever in the trail', async () => {
  await sql`insert into audit_events (recorded_at, name, agent_id, body)
    select date_trunc('hour', now()) + i * interval '1 hour', 'token.used', 'timed-agent', convert_to(format('{"mark":"h%s"}', i), 'UTF8')
    from generate_series(1, 300) as i`.execute(test.database.db);
  const start = new Date();
  start.setUTCMinutes(0, 0, 0);
  const hour = (hours: number): string => new Date(start.getTime() + hours * 3_600_000).toISOString();
  const marks = async (query: string): Promise<string[]> =>
    [...(await page(`/audit?agent=timed-agent&${query}`)).matchAll(/>(h\d+)</g)].map(([, mark = '']) => mark);
  expect(await marks(`from=${hour(100)}&to=${hour(103)}`)).toEqual(['h102', 'h101', 'h100']);
  expect(await marks(`to=${hour(3)}`)).toEqual(['h2', 'h1']);
  expect(await marks(`from=${hour(299)}`)).toEqual(['h300', 'h299']);
  expect(await marks(`from=${hour(301)}`)).toEqual([]);
  expect(await marks(`to=${hour(-1000)}`)).toEqual([]);
  expect(await marks(`from=${hour(20).slice(0, 16)}&to=${hour(21)}`)).toEqual(['h20']);
});

it('tells a filter that is none, keeps it in the form, and asks the database nothing', async () => {
  const answer = await test.get('/audit?from=yesterday&agent=%3Cb%3E', { cookie: auditor });
  const text = await answer.text();
  expect(answer.status).toBe(400);
  expect(text).toContain('value="yesterday"');
  expect(text).toContain('aria-describedby="from-problem"');
  expect((await test.get('/audit?agent=%00', { cookie: auditor })).status).toBe(400);
});

it('shows what strangers left in events as text, never as markup', async () => {
  const hostile = '<script>alert(1)</script>\u202Egnp';
  await appendEvents(test.database.db, [
    { name: 'request.refused', agentId: 'hostile', data: { reason: hostile, more: { deep: hostile } } },
  ]);
  const text = await page('/audit?agent=hostile');
  expect(text).not.toContain('<script>alert');
  expect(text).toContain('&lt;script>alert(1)');
  expect(text).toContain('U+202E');
  expect(text).not.toContain('\u202E');
});

it('writes nothing into the trail by reading it', async () => {
  const before = await count();
  await page('/audit');
  expect(await count()).toBe(before);
});

it('takes a stranger’s text for nobody, though it is written like a person', async () => {
  const { tenant, object } = test.people.approver;
  await test.signIn(test.people.approver);
  await appendEvents(test.database.db, [
    { name: 'request.refused', agentId: 'impostor', data: { audience: `${tenant}/${object}` } },
    { name: 'token.revoked', agentId: 'taken-back', data: { by: `${tenant}/${object}` } },
  ]);
  expect(await page('/audit?agent=impostor')).not.toContain('Avery Approver');
  expect(await page('/audit?agent=taken-back')).toContain('Avery Approver');
});
