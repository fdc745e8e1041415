import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPromises } from '../support/promises.ts';
import { eventsOf, fieldsOf, startConsole, type TestConsole, type TestPerson } from './fixture.ts';
import { type IssuedToken, issueToken, rotateToken, standingOf } from './issued.ts';

let test: TestConsole;
let operator: string;
beforeAll(async () => {
  test = await startConsole();
  // Taking back waits for no new sign-in.
  operator = await test.signIn(test.people.operator, 7 * 3600);
});
afterAll(async () => {
  await checkPromises(test.database);
  await test.stop();
});

const page = async (path: string, cookie = operator): Promise<string> =>
  (await test.get(path, { cookie })).text();
const listed = (text: string): string[] =>
  [...text.matchAll(/id="open-(tok_[\w-]+)"/g)].map(([, jti = '']) => jti);
const pathOf = ({ jti }: IssuedToken): string => `/tokens/${jti}`;

/** A request's own address lifts its denial. */
const postedTo = (path: string): string => (path.startsWith('/requests/') ? `${path}/grant` : path);

/** Presses a button of a page as it is rendered, with changes. */
const press = async (
  path: string,
  deed: string,
  changes: Readonly<Record<string, string>> = {},
  cookie = operator,
): Promise<Response> => {
  const form = fieldsOf(await page(path, cookie));
  return test.post(postedTo(path), { ...form, deed, reason: 'it left the team', ...changes }, { cookie });
};

const stateOf = (token: IssuedToken) => standingOf(test, token);
const LIVE = { token: 'ACTIVE', grant: 'active', by: null };

const lastEvent = async (requestId: string): Promise<Record<string, unknown>> => {
  const { rows } = await sql<{ body: Record<string, unknown> }>`
    select convert_from(body, 'UTF8')::jsonb as body from audit_events where request_id = ${requestId}
    order by position desc limit 1`.execute(test.database.db);
  return rows[0]?.body ?? {};
};

describe('the list', () => {
  it('has each state in words, a bar while there is time left, and the way to successor and request', async () => {
    const first = await issueToken(test);
    const second = await rotateToken(test, first);
    const revoked = await issueToken(test);
    await press(pathOf(revoked), 'revoke_token');
    const text = await page('/tokens');
    expect(text).toMatch(/<progress value="\d+" max="45" aria-label="Time left of tok_/);
    expect(text).toContain(`followed by <a class="jti" href="/tokens/${second.jti}"`);
    expect(text).toContain(`href="/requests/${first.requestId}"`);
    expect(listed(await page('/tokens?state=active'))).toContain(second.jti);
    expect(listed(await page('/tokens?state=ROTATED'))).toEqual([first.jti]);
    expect(listed(await page('/tokens?state=REVOKED'))).toEqual([revoked.jti]);
  });

  it('takes for expired what the database’s clock says, and keeps revoked what was revoked', async () => {
    const [expired, revoked] = [await issueToken(test), await issueToken(test)];
    await press(pathOf(revoked), 'revoke_token');
    await sql`update tokens set issued_at = issued_at - interval '1 hour', expires_at = expires_at - interval '1 hour'
      where jti in (${expired.jti}, ${revoked.jti})`.execute(test.database.db);
    const found = listed(await page('/tokens?state=EXPIRED'));
    expect([found.includes(expired.jti), found.includes(revoked.jti)]).toEqual([true, false]);
    expect((await test.get(pathOf(expired), { cookie: operator })).status).toBe(200);
    expect((await press(pathOf(expired), 'revoke_token')).status).toBe(403);
  });

  it('is searched by token, agent, API and request, and says what no id or state is', async () => {
    const token = await issueToken(test);
    for (const query of [`jti=${token.jti}`, `request=${token.requestId}`])
      expect([query, listed(await page(`/tokens?${query}`))]).toEqual([query, [token.jti]]);
    expect(listed(await page('/tokens?agent=reporting-agent&audience=api://reports.prod'))).toContain(
      token.jti,
    );
    expect(listed(await page('/tokens?agent=nobody'))).toEqual([]);
    for (const query of ['agent=a%20b', 'jti=%00', 'state=fine']) {
      const answer = await test.get(`/tokens?${query}`, { cookie: operator });
      expect([query, answer.status]).toEqual([query, 400]);
    }
  });

  it('goes on from page to page without losing or repeating any', async () => {
    for (let count = 0; count < 52; count += 1) await issueToken(test);
    const first = await page('/tokens');
    const next = /href="(\/tokens\?after=[\w-]+)"/.exec(first)?.[1] ?? '';
    const both = [...listed(first), ...listed(await page(next))];
    const { rows } = await sql<{ jti: string }>`select jti from tokens`.execute(test.database.db);
    expect(both.sort()).toEqual(rows.map(({ jti }) => jti).sort());
    expect(await page('/tokens?after=tok_nothing')).toContain('No tokens');
  });

  it('refreshes itself by part', async () => {
    const path = '/tokens?state=REVOKED';
    const tag = /hx-ptag="([0-9a-f]+)"/.exec(await page(path))?.[1] ?? '';
    const part = { cookie: operator, 'hx-request': 'true', 'hx-ptag': tag };
    expect((await test.get(path, part)).status).toBe(304);
    const token = await issueToken(test);
    await press(pathOf(token), 'revoke_token');
    const changed = await test.get(path, part);
    expect([changed.status, listed(await changed.text()).includes(token.jti)]).toEqual([200, true]);
  });
});

describe('taking back', () => {
  it('ends the grant with all its tokens, in the operator’s name and for the reason', async () => {
    const first = await issueToken(test);
    const token = await rotateToken(test, first);
    const text = await page(pathOf(token));
    expect(text.indexOf('value="end_grant"')).toBeLessThan(text.indexOf('value="revoke_token"'));
    const answer = await press(pathOf(token), 'end_grant');
    expect([answer.status, answer.headers.get('location')]).toEqual([303, pathOf(token)]);
    const ended = { token: 'REVOKED', grant: 'ended', by: 'operator' };
    expect([await stateOf(first), await stateOf(token)]).toEqual([ended, ended]);
    const { tenant, object } = test.people.operator;
    expect(await lastEvent(token.requestId)).toMatchObject({
      name: 'grant.ended',
      by: `${tenant}/${object}`,
      cause: 'it left the team',
    });
    expect(await page(pathOf(token))).toContain('There is nothing left to take back.');
    const auditor = await test.signIn(test.people.auditor);
    expect(await page(`/requests/${token.requestId}`, auditor)).toContain('Olly Operator');
  });

  it('revokes one token and leaves its grant', async () => {
    const token = await issueToken(test);
    expect((await press(pathOf(token), 'revoke_token')).status).toBe(303);
    expect(await stateOf(token)).toEqual({ ...LIVE, token: 'REVOKED' });
    expect(await lastEvent(token.requestId)).toMatchObject({ name: 'token.revoked', jti: token.jti });
  });

  it('ends the grant from its request, where only an operator is offered that', async () => {
    const token = await issueToken(test);
    const path = `/requests/${token.requestId}`;
    const auditor = await test.signIn(test.people.auditor);
    expect(await page(path, auditor)).not.toContain('end_grant');
    expect((await press(path, 'end_grant', {}, auditor)).status).toBe(403);
    expect(await stateOf(token)).toEqual(LIVE);
    expect((await press(path, 'end_grant')).status).toBe(303);
    expect((await stateOf(token)).grant).toBe('ended');
    expect(await page(path)).not.toContain('end_grant_token');
  });

  it('answers whoever comes second with 409 and where it stands', async () => {
    const token = await issueToken(test);
    const paths = [pathOf(token), `/requests/${token.requestId}`];
    const forms = await Promise.all(paths.map(async (path) => fieldsOf(await page(path))));
    await press(pathOf(token), 'end_grant');
    for (const [index, path] of paths.entries()) {
      const form = { ...forms[index], deed: 'end_grant', reason: 'again' };
      const answer = await test.post(postedTo(path), form, { cookie: operator });
      expect([answer.status, await answer.text()]).toEqual([
        409,
        expect.stringContaining('The grant had ended before. Nothing was changed.'),
      ]);
    }
    expect((await eventsOf(test, token.requestId)).filter((name) => name === 'grant.ended')).toHaveLength(1);
  });

  it('ends a grant once for many who press at the same instant', async () => {
    const token = await issueToken(test);
    const path = `/requests/${token.requestId}`;
    const form = { ...fieldsOf(await page(path)), deed: 'end_grant', reason: 'all at once' };
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => test.post(postedTo(path), form, { cookie: operator })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 409, 409, 409, 409]);
    expect((await eventsOf(test, token.requestId)).filter((name) => name === 'grant.ended')).toHaveLength(1);
  });
});

describe('what does not count', () => {
  it('takes nothing back without a reason of one line', async () => {
    const token = await issueToken(test);
    for (const reason of ['', '   ', 'x'.repeat(501), 'two\r\nlines', 'turned \u202Eround']) {
      const answer = await press(pathOf(token), 'end_grant', { reason });
      expect([reason, answer.status]).toEqual([reason, 422]);
      expect(await answer.text()).toContain('role="alert"');
    }
    expect(await stateOf(token)).toEqual(LIVE);
  });

  it('takes nothing back on a page of another session, token, button or time', async () => {
    const [token, other] = [await issueToken(test), await issueToken(test)];
    const form = fieldsOf(await page(pathOf(other)));
    const foreign = fieldsOf(await page(pathOf(token), await test.signIn(test.people.operator)));
    const own = fieldsOf(await page(pathOf(token)));
    const turned = {
      end_grant_token: own.revoke_token_token ?? '',
      revoke_token_token: own.end_grant_token ?? '',
    };
    for (const fields of [form, foreign, turned, {}]) {
      for (const deed of ['end_grant', 'revoke_token']) {
        const answer = await test.post(
          pathOf(token),
          { ...fields, deed, reason: 'mine' },
          { cookie: operator },
        );
        expect([deed, answer.status]).toEqual([deed, 403]);
      }
    }
    test.clock.now = () => new Date(Date.now() + 601_000);
    const late = await test.post(
      pathOf(token),
      { ...own, deed: 'end_grant', reason: 'late' },
      { cookie: operator },
    );
    test.clock.now = () => new Date();
    expect([late.status, await late.text()]).toEqual([403, expect.stringContaining('value="late"')]);
    expect(await stateOf(token)).toEqual(LIVE);
  });

  it('is nobody’s but an operator’s, and read by those who read the trail', async () => {
    const token = await issueToken(test);
    const form = fieldsOf(await page(pathOf(token)));
    const statuses = async (who: TestPerson) => {
      const cookie = await test.signIn(who);
      const read = await test.get(pathOf(token), { cookie });
      const list = await test.get('/tokens', { cookie });
      const post = await test.post(pathOf(token), { ...form, deed: 'end_grant', reason: 'mine' }, { cookie });
      return [read.status, list.status, post.status, (await read.text()).includes('end_grant')];
    };
    const { auditor, security, approver, visitor } = test.people;
    expect(await statuses(auditor)).toEqual([200, 200, 403, false]);
    expect(await statuses(security)).toEqual([200, 200, 403, false]);
    expect(await statuses(approver)).toEqual([403, 403, 403, false]);
    expect(await statuses(visitor)).toEqual([403, 403, 403, false]);
    expect(await stateOf(token)).toEqual(LIVE);
  });

  it('finds nothing under ids of nothing', async () => {
    for (const path of ['/tokens/tok_nothing', '/tokens/%00', '/requests/areq_nothing']) {
      expect([path, (await test.get(path, { cookie: operator })).status]).toEqual([path, 404]);
      const answer = await test.post(
        postedTo(path),
        { deed: 'end_grant', reason: 'x' },
        { cookie: operator },
      );
      expect([path, [403, 404].includes(answer.status)]).toEqual([path, true]);
    }
  });
});
