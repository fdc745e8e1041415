import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPromises } from '../support/promises.ts';
import { fieldsOf, startConsole, type TestConsole, type TestPerson } from './fixture.ts';
import { issueToken } from './issued.ts';

let test: TestConsole;
let admin: string;
beforeAll(async () => {
  test = await startConsole();
  admin = await test.signIn(test.people.security);
});
afterAll(async () => {
  await checkPromises(test.database);
  await test.stop();
});

const page = async (path = '/blocks', cookie = admin): Promise<string> =>
  (await test.get(path, { cookie })).text();

const close = async (changes: Readonly<Record<string, string>> = {}, cookie = admin): Promise<Response> =>
  test.post(
    '/blocks',
    {
      set_block_token: fieldsOf(await page('/blocks', cookie)).set_block_token ?? '',
      deed: 'set_block',
      kind: 'agent',
      subject: 'ops-agent',
      reason: 'it went mad',
      ...changes,
    },
    { cookie },
  );

/** Opens the form that lifts, and presses it. */
const lift = async (id: string, changes: Readonly<Record<string, string>> = {}): Promise<Response> => {
  const form = fieldsOf(await page(`/blocks?lift=${id}`));
  return test.post(
    `/blocks/${id}`,
    { ...form, deed: 'lift_block', reason: 'it was repaired', ...changes },
    { cookie: admin },
  );
};

const inForce = async () => {
  const { rows } = await sql<{ id: string; kind: string; subject: string; by: string; lasting: boolean }>`
    select id, kind, subject, set_by as by, lasting from blocks where lifted_at is null order by set_at`.execute(
    test.database.db,
  );
  return rows;
};

describe('a kill switch', () => {
  it('is set in the person’s name, told to everybody who reads, and lifted once for a reason', async () => {
    const set = await close();
    expect([set.status, set.headers.get('location')]).toEqual([303, '/blocks']);
    const [block] = await inForce();
    const { tenant, object } = test.people.security;
    expect(block).toMatchObject({ kind: 'agent', subject: 'ops-agent', by: `${tenant}/${object}` });
    const text = await page('/blocks', await test.signIn(test.people.auditor));
    expect(text).toContain('Agent ops-agent');
    expect(text).toContain('<b>Sandy Security</b>');
    expect(text).toContain('it went mad');
    expect(text).toContain('Closed; all that was given has ended');
    const id = block?.id ?? '';
    const form = fieldsOf(await page(`/blocks?lift=${id}`));
    expect((await lift(id)).status).toBe(303);
    expect(await inForce()).toEqual([]);
    const again = await test.post(
      `/blocks/${id}`,
      { ...form, deed: 'lift_block', reason: 'again' },
      { cookie: admin },
    );
    expect([again.status, await again.text()]).toEqual([409, expect.stringContaining('lifted before')]);
    expect(await page()).toContain('What was closed or taken back before');
  });

  it('ends what its agent was given, and is set once', async () => {
    const { jti } = await issueToken(test);
    expect((await close({ subject: 'reporting-agent' })).status).toBe(303);
    const { rows } = await sql`select state from tokens where jti = ${jti}`.execute(test.database.db);
    expect(rows).toEqual([{ state: 'REVOKED' }]);
    const twice = await close({ subject: 'reporting-agent' });
    expect([twice.status, await twice.text()]).toEqual([409, expect.stringContaining('closed already')]);
    for (const { id } of await inForce()) await lift(id);
  });

  it('that only takes back is over when that is done', async () => {
    expect((await close({ lasting: 'no' })).status).toBe(303);
    expect(await inForce()).toEqual([]);
    expect(await page()).toContain('Took back what was given');
  });

  it('of everything asks for words that nobody types by mistake', async () => {
    for (const confirmation of ['', 'yes']) {
      const answer = await close({ kind: 'global', confirmation });
      expect([answer.status, await answer.text()]).toEqual([
        422,
        expect.stringContaining('to close everything'),
      ]);
    }
    expect(await inForce()).toEqual([]);
    expect((await close({ kind: 'global', confirmation: 'Close everything' })).status).toBe(303);
    const [block] = await inForce();
    expect(block).toMatchObject({ kind: 'global', subject: '' });
    expect((await lift(block?.id ?? '')).status).toBe(303);
  });
});

describe('a sign-in of more than an hour ago, whose roles may be gone', () => {
  it('closes at once all the same', async () => {
    const old = await test.signIn(test.people.security, 7 * 3600);
    expect((await close({}, old)).status).toBe(303);
    const [block] = await inForce();
    expect(block).toMatchObject({ kind: 'agent', subject: 'ops-agent' });
    expect((await lift(block?.id ?? '')).status).toBe(303);
  });

  it('lifts nothing, not from a page of before either, and is led to a new one', async () => {
    await close();
    const id = (await inForce())[0]?.id ?? '';
    const cookie = await test.signIn(test.people.security, 3000);
    const form = fieldsOf(await page(`/blocks?lift=${id}`, cookie));
    expect(form.lift_block_token).toBeDefined();
    await sql`update console_sessions set signed_in_at = now() - interval '3601 seconds'
      where signed_in_at < now() - interval '40 minutes'`.execute(test.database.db);
    const press = { ...form, deed: 'lift_block', reason: 'kept words' };
    const answer = await test.post(`/blocks/${id}`, press, { cookie });
    const text = await answer.text();
    expect(answer.status).toBe(403);
    expect(text).toContain('kept words');
    for (const shown of [text, await page(`/blocks?lift=${id}`, cookie)]) {
      const back = encodeURIComponent(`/blocks?lift=${id}`);
      expect(shown).toContain(`/sign-in?return_to=${back}&amp;again=1`);
      expect(shown).not.toContain('lift_block');
    }
    expect(await inForce()).toHaveLength(1);
    const { rows } = await sql<{
      reason: string;
    }>`select convert_from(body, 'UTF8')::jsonb ->> 'reason' as reason
      from audit_events where name = 'console.refused' order by position desc limit 1`.execute(
      test.database.db,
    );
    expect(rows).toEqual([{ reason: 'roles_stale' }]);
    expect((await lift(id)).status).toBe(303);
  });
});

describe('what does not count', () => {
  it('closes and lifts nothing without a reason, a subject that exists, and a button of this page', async () => {
    const cases: readonly (readonly [number, Record<string, string>])[] = [
      [422, { reason: '' }],
      [422, { reason: 'turned \u202Eround' }],
      [422, { reason: 'one\u2028two' }],
      [422, { subject: 'nobody' }],
      [422, { kind: 'environment', subject: 'moon' }],
      [400, { kind: 'planet' }],
      [400, { deed: 'lift_block' }],
      [403, { set_block_token: '' }],
    ];
    for (const [status, changes] of cases)
      expect([changes, (await close(changes)).status]).toEqual([changes, status]);
    const marked = async (changes: Record<string, string>): Promise<boolean> =>
      /id="one-reason"[^>]*aria-invalid/.test(await (await close(changes)).text());
    expect([await marked({ reason: '' }), await marked({ subject: 'nobody' })]).toEqual([true, false]);
    expect(await inForce()).toEqual([]);
    await close();
    const id = (await inForce())[0]?.id ?? '';
    expect((await lift(id, { reason: ' ' })).status).toBe(422);
    expect((await lift(id, { lift_block_token: '' })).status).toBe(403);
    expect(await inForce()).toHaveLength(1);
    expect((await lift(id)).status).toBe(303);
    expect((await lift('block_nothing')).status).toBe(403);
  });

  it('is nobody’s but a security administrator’s', async () => {
    const token = fieldsOf(await page()).set_block_token ?? '';
    const statuses = async (who: TestPerson) => {
      const cookie = await test.signIn(who);
      const read = await test.get('/blocks', { cookie });
      const form = {
        set_block_token: token,
        deed: 'set_block',
        kind: 'agent',
        subject: 'ops-agent',
        reason: 'mine',
      };
      const post = await test.post('/blocks', form, { cookie });
      return [read.status, post.status, (await read.text()).includes('set_block')];
    };
    const { auditor, operator, approver, visitor, security } = test.people;
    expect(await statuses(auditor)).toEqual([200, 403, false]);
    expect(await statuses(operator)).toEqual([200, 403, false]);
    expect(await statuses(approver)).toEqual([403, 403, false]);
    expect(await statuses(visitor)).toEqual([403, 403, false]);
    expect(await statuses(security)).toEqual([200, 403, true]);
    expect(await inForce()).toEqual([]);
  });

  it('refreshes itself by part', async () => {
    const tag = /hx-ptag="([0-9a-f]+)"/.exec(await page())?.[1] ?? '';
    const part = { cookie: admin, 'hx-request': 'true', 'hx-ptag': tag };
    expect((await test.get('/blocks', part)).status).toBe(304);
    await close();
    expect((await test.get('/blocks', part)).status).toBe(200);
    for (const { id } of await inForce()) await lift(id);
  });
});
