import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startConsole, type TestConsole } from './fixture.ts';
import { vote } from './voting.ts';

let test: TestConsole;
let cookie: string;
beforeAll(async () => {
  test = await startConsole();
});
beforeEach(async () => {
  await sql`update access_requests set state = 'cancelled' where state = 'pending'`.execute(test.database.db);
  await sql`update denials set held_until = now()`.execute(test.database.db);
  cookie = await test.signIn(test.people.approver);
});
afterAll(() => test.stop());

const page = async (path: string, who = cookie): Promise<string> =>
  (await test.get(path, { cookie: who })).text();
const listed = (text: string): string[] =>
  [...text.matchAll(/id="open-(areq_[\w-]+)"/g)].map(([, id = '']) => id);
const scope = { scopes: ['reports.read'] };

const knowledge = {
  agent: 'support-agent',
  audience: 'api://knowledge.prod',
  scopes: ['articles.write'],
  groups: ['knowledge'],
};

it('shows what waits for the person’s groups and nothing else: theirs to decide, then sensitive, then old', async () => {
  const old = await test.openRequest({ ...scope, quorum: 2 });
  const other = await test.openRequest(knowledge);
  const young = await test.openRequest({ scopes: ['reports.young'], approval: { pendingSeconds: 60 } });
  const critical = await test.openRequest({
    agent: 'ops-agent',
    audience: 'api://operations.prod',
    scopes: ['release.deploy'],
    groups: ['release'],
  });
  const rankOf = (audience: string) => test.registry.resources.get(audience)?.sensitivity;
  expect([
    rankOf('api://operations.prod'),
    rankOf('api://reports.prod'),
    rankOf('api://knowledge.prod'),
  ]).toEqual(['critical', 'high', 'low']);
  const mine = [critical, old, young, other].map(({ requestId }) => requestId);
  expect(listed(await page('/approvals'))).toEqual(mine);
  expect(listed(await page('/approvals', await test.signIn(test.people.knowledge)))).toEqual([
    other.requestId,
  ]);
  await vote(test, old, test.people.approver);
  expect(listed(await page('/approvals'))).toEqual(
    [critical, young, other, old].map(({ requestId }) => requestId),
  );
});

it('is narrowed by what the address says, keeps it on the next page, and takes anything for text', async () => {
  const reports = await test.openRequest(scope);
  const articles = await test.openRequest(knowledge);
  const found = async (query: string): Promise<string[]> => listed(await page(`/approvals?${query}`));
  expect(await found('agent=SUPPORT')).toEqual([articles.requestId]);
  expect(await found('api=reports')).toEqual([reports.requestId]);
  expect(await found('api=api%3A%2F%2Fknowledge.prod&environment=prod')).toEqual([articles.requestId]);
  expect(await found('environment=dev')).toEqual([]);
  expect(await found('sensitivity=high')).toEqual([reports.requestId]);
  expect(await found('agent=support&agent=x')).toEqual([]);
  for (const text of ["' or true --", '%00', '%ED%A0%80', '<script>', '{}', '%'])
    expect([text, await found(`agent=${text}&outcome=${text}`)]).toEqual([text, []]);
  for (let index = 0; index < 52; index += 1) await test.openRequest({ scopes: [`reports.n${index}`] });
  const whole = await page('/approvals?api=reports');
  expect(whole).toMatch(/<a href="\/approvals\?api=reports&amp;after=[^"]+"/);
  expect(whole).toMatch(/hx-get="\/approvals\?api=reports"/);
  expect(whole).toContain('value="reports"');
});

it('leaves out what is over, though no sweeper has said so yet', async () => {
  const { requestId } = await test.openRequest(scope);
  await sql`update access_requests set expires_at = now() - interval '1 second' where id = ${requestId}`.execute(
    test.database.db,
  );
  expect(listed(await page('/approvals'))).toEqual([]);
  const shown = await page(`/approvals/${requestId}`);
  expect(shown).toContain('Expired undecided');
  expect(shown).not.toContain('name="verdict"');
});

it('finds what was decided, the newest first, with who decided', async () => {
  const first = await test.openRequest(scope);
  const second = await test.openRequest(scope);
  await vote(test, first, test.people.approver);
  await vote(test, second, test.people.second, { verdict: 'deny' });
  const text = await page('/approvals?show=decided');
  expect(listed(text).slice(0, 2)).toEqual([second.requestId, first.requestId]);
  expect(text).toContain('by Sam Second');
  expect(text).toContain('the month is closed');
  expect(listed(await page('/approvals?show=decided&outcome=denied')).slice(0, 1)).toEqual([
    second.requestId,
  ]);
  expect(listed(await page('/approvals?show=decided&outcome=approved'))).not.toContain(second.requestId);
  expect(listed(await page('/approvals?show=decided&agent=support'))).toEqual([]);
  expect(listed(await page('/approvals'))).toEqual([]);
});

it('finds decided requests by who decided, whatever of the name is typed, and by their other accounts', async () => {
  const [mine, theirs] = [await test.openRequest(scope), await test.openRequest(scope)];
  await vote(test, mine, test.people.approver);
  await vote(test, theirs, test.people.second, { verdict: 'deny' });
  await test.signIn(test.people.approversGuest);
  const by = async (text: string): Promise<string[]> =>
    listed(await page(`/approvals?show=decided&approver=${encodeURIComponent(text)}`)).filter((id) =>
      [mine.requestId, theirs.requestId].includes(id),
    );
  expect(await by('avery app')).toEqual([mine.requestId]);
  expect(await by('SAM.SECOND@lab.example')).toEqual([theirs.requestId]);
  expect(await by('Avery Guest')).toEqual([mine.requestId]);
  expect(await by(test.people.second.object.toUpperCase())).toEqual([theirs.requestId]);
  for (const text of [
    'Nobody',
    '%',
    '_',
    "' or true --",
    '\0',
    '\0Sam',
    '00000000-0000-0000-0000-000000000000',
  ])
    expect([text, await by(text)]).toEqual([
      text,
      text === '\0' ? [theirs.requestId, mine.requestId] : text === '\0Sam' ? [theirs.requestId] : [],
    ]);
  const owner = new pg.Client(test.ownerDsn);
  await owner.connect();
  await owner.query('delete from people where object_id = $1', [test.people.second.object]);
  await owner.end();
  expect(await by('Sam Second')).toEqual([]);
  expect(await by(test.people.second.object)).toEqual([theirs.requestId]);
});

it('finds decided requests by day, to the last instant of the last one, and says what is no day', async () => {
  const ids: string[] = [];
  for (const decided of [
    '2026-01-30T23:59:59.999Z',
    '2026-01-31T00:00:00Z',
    '2026-01-31T23:59:59.999Z',
    '2026-02-01T00:00:00Z',
  ]) {
    const request = await test.openRequest(scope);
    await vote(test, request, test.people.approver);
    await sql`update access_requests set decided_at = ${decided} where id = ${request.requestId}`.execute(
      test.database.db,
    );
    ids.unshift(request.requestId);
  }
  const between = async (query: string) =>
    listed(await page(`/approvals?show=decided&${query}`)).filter((id) => ids.includes(id));
  const [after, last, first, before] = ids;
  expect(await between('from=2026-01-31&to=2026-01-31')).toEqual([last, first]);
  expect(await between('from=2026-01-31')).toEqual([after, last, first]);
  expect(await between('to=2026-01-31')).toEqual([last, first, before]);
  expect(await between('from=2026-01-31&approver=Sam')).toEqual([]);
  for (const query of [
    'from=yesterday',
    'to=2026-02-31',
    'from=0000-01-01',
    'to=9999-12-31',
    'to=2026-1-1',
    'from=2026-01-01T00:00',
    'to=%00',
    'from=2026-02-01&to=2026-01-31',
  ]) {
    const answer = await test.get(`/approvals?show=decided&${query}`, { cookie });
    const text = await answer.text();
    expect([query, answer.status, listed(text)]).toEqual([query, 400, []]);
    expect(text).toMatch(
      /id="(?:from|to)-problem">(?:Not a day such as 2026-01-31|This is before the first day)\./,
    );
    expect(text).not.toContain('hx-get');
  }
  expect((await test.get('/approvals?from=yesterday', { cookie })).status).toBe(200);
});

it('shows by no filter what the person’s groups may not decide', async () => {
  const request = await test.openRequest(scope);
  await vote(test, request, test.people.approver);
  const other = await test.signIn(test.people.knowledge);
  const day = new Date().toISOString().slice(0, 10);
  for (const query of ['approver=Avery', `from=${day}`, `approver=${test.people.approver.object}`])
    expect(listed(await page(`/approvals?show=decided&${query}`, other))).not.toContain(request.requestId);
});

it('pages by what was last seen, so that nothing is skipped or shown twice', async () => {
  const opened = [];
  for (let index = 0; index < 53; index += 1)
    opened.push((await test.openRequest({ scopes: [`reports.r${index}`] })).requestId);
  const first = await page('/approvals');
  const next = /<a href="(\/approvals\?after=[^"]+)"/.exec(first)?.[1] ?? '';
  const late = await test.openRequest({ scopes: ['reports.last'] });
  const second = await page(next.replaceAll('&amp;', '&'));
  expect([...listed(first), ...listed(second)].sort()).toEqual([...opened, late.requestId].sort());
});

it('takes a cursor that is none for no cursor', async () => {
  const { requestId } = await test.openRequest(scope);
  for (const after of ["'; drop table votes", '2026-99-99T00:00:00.000000Z~x', '%00', 'x'.repeat(500)]) {
    const answer = await test.get(`/approvals?after=${encodeURIComponent(after)}`, { cookie });
    expect([after, answer.status]).toEqual([after, 200]);
    expect(listed(await answer.text())).toContain(requestId);
  }
});

it('answers a page that refreshes itself with the part alone, and with 304 while nothing changed', async () => {
  await test.openRequest(scope);
  const whole = await page('/approvals');
  const tag = /hx-ptag="([0-9a-f]+)"/.exec(whole)?.[1] ?? '';
  const part = { cookie, 'hx-request': 'true' };
  const same = await test.get('/approvals', { ...part, 'hx-ptag': tag });
  expect([same.status, await same.text()]).toEqual([304, '']);
  expect((await test.get('/approvals', { ...part, 'if-none-match': `"${tag}"` })).status).toBe(304);
  const again = await test.get('/approvals', part);
  const text = await again.text();
  expect([again.status, again.headers.get('etag')]).toEqual([200, `"${tag}"`]);
  expect(whole).toContain(text);
  expect(text).not.toContain('<html');
  await test.openRequest({ scopes: ['reports.more'] });
  const changed = await test.get('/approvals', { ...part, 'hx-ptag': tag });
  expect(changed.status).toBe(200);
  expect(changed.headers.get('hx-ptag')).not.toBe(tag);
});

it('tells an owner that others decide', async () => {
  const { requestId } = await test.openRequest(scope);
  const owner = await test.signIn(test.people.owner);
  expect(await page('/approvals', owner)).toContain('You answer for this agent');
  const shown = await page(`/approvals/${requestId}`, owner);
  expect(shown).toContain('Its owners and sponsors never decide');
  expect(shown).not.toContain('name="verdict"');
});
