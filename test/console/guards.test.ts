import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setBlock } from '../../src/access/blocks.ts';
import { consoleRouter } from '../../src/console/console.tsx';
import { fieldsOf, startConsole, type TestConsole } from './fixture.ts';
import { issueToken } from './issued.ts';

let test: TestConsole;
beforeAll(async () => {
  test = await startConsole();
});
afterAll(() => test.stop());

/** What anybody may ask for. */
const PUBLIC = ['/', '/sign-in', '/sign-in/callback', '/signed-out', '/assets/:name', '/{*path}'];

const routes = (): { method: string; path: string }[] =>
  consoleRouter(test.options).stack.flatMap(({ methods, path }) =>
    methods.filter((method) => method !== 'HEAD').map((method) => ({ method, path: String(path) })),
  );

const addressOf = (path: string): string => path.replace(/:\w+/, 'any');

describe('the route table', () => {
  it('has the routes of the contract and no other', () => {
    expect(
      routes()
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual([
      'GET /',
      'GET /approvals',
      'GET /approvals/:request_id',
      'GET /assets/:name',
      'GET /audit',
      'GET /blocks',
      'GET /reasons',
      'GET /requests/:request_id',
      'GET /requests/:request_id/grant',
      'GET /sign-in',
      'GET /sign-in/callback',
      'GET /signed-out',
      'GET /tokens',
      'GET /tokens/:jti',
      'GET /{*path}',
      'POST /approvals/:request_id',
      'POST /blocks',
      'POST /blocks/:block',
      'POST /requests/:request_id',
      'POST /requests/:request_id/grant',
      'POST /sign-out',
      'POST /tokens/:jti',
    ]);
  });

  it('answers no route but the public ones without a session', async () => {
    const guarded = routes().filter(({ path }) => !PUBLIC.includes(path) && path !== '/sign-out');
    expect(guarded.length).toBeGreaterThan(4);
    for (const { method, path } of guarded) {
      const address = addressOf(path);
      const answer =
        method === 'GET' ? await test.get(address) : await test.post(address, { verdict: 'approve' });
      expect([method, path, answer.status]).toEqual([method, path, method === 'GET' ? 303 : 403]);
      if (method === 'GET') {
        expect(answer.headers.get('location')).toBe(`/sign-in?return_to=${encodeURIComponent(address)}`);
        expect((await test.get(address, { 'hx-request': 'true' })).status).toBe(401);
        expect((await test.get(address, { cookie: `countersign_session=${'A'.repeat(43)}` })).status).toBe(
          303,
        );
      }
    }
  });

  it('refuses every post that is not from a page of this very origin, session or not', async () => {
    const posts = routes().filter(({ method }) => method === 'POST');
    const cookie = await test.signIn(test.people.approver);
    const port = new URL(test.url).port;
    const origins = [
      { origin: undefined, 'sec-fetch-site': undefined },
      { origin: 'null' },
      { origin: 'http://evil.example' },
      { origin: `http://127.0.0.1:${Number(port) + 1}` },
      { origin: `http://localhost:${port}` },
      { origin: `https://127.0.0.1:${port}` },
      { origin: `${test.url}/` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: undefined, 'sec-fetch-site': 'cross-site' },
    ];
    for (const { path } of posts) {
      for (const headers of origins) {
        const answer = await test.post(addressOf(path), { verdict: 'approve' }, { cookie, ...headers });
        expect([path, headers, answer.status]).toEqual([path, headers, 403]);
      }
    }
    expect((await test.get('/approvals', { cookie })).status).toBe(200);
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from audit_events where name = 'csrf.blocked'`.execute(test.database.db);
    expect(rows[0]?.count).toBe(3);
  });

  it('says to people that a page is not there, and leaves everything else alone', async () => {
    for (const path of ['/nowhere', '/assets/frame.css', '/assets/..%2f..%2fpackage.json']) {
      const answer = await test.get(path, { accept: 'text/html' });
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
        path,
        404,
        'text/html; charset=utf-8',
      ]);
      expect(await answer.text()).toContain('Not here');
    }
    const plain = await test.get('/nowhere', { accept: 'application/json' });
    expect([plain.status, await plain.text()]).toEqual([404, 'Not Found']);
    expect((await test.post('/nowhere', {})).status).toBe(404);
  });
});

const everybody = () => ({
  ...test.people.approver,
  roles: ['Approver', 'Approver.payroll', 'Auditor', 'Operator', 'SecurityAdmin'],
});
const PREFETCH = { purpose: 'prefetch', 'sec-purpose': 'prefetch' };
const BLOCK_OF_AGENT = { kind: 'agent', subject: 'ops-agent', lasting: 'yes' };
/** What the buttons of all forms say, beside the tokens of the page. */
const PRESSED = { verdict: 'approve', deed: 'end_grant', reason: 'x', ...BLOCK_OF_AGENT };

/** All that buttons change, and what is told of it. */
const everything = async (): Promise<unknown> => {
  const tables = ['access_requests', 'votes', 'grants', 'tokens', 'denials', 'blocks', 'audit_events'];
  const counted = tables.map(
    (table) =>
      `select '${table}' as of, md5(string_agg(t::text, '' order by t::text)) as rows from ${table} t`,
  );
  return (await sql.raw(counted.join(' union all ')).execute(test.database.db)).rows;
};

describe('reading', () => {
  it('changes nothing, by whatever it is fetched, with all that a button would have sent', async () => {
    const request = await test.openRequest();
    const { jti, requestId } = await issueToken(test);
    const author = { by: 'test', reason: 'a test does' };
    await setBlock(test.database, { kind: 'audience', subject: 'api://reports.test', lasting: true }, author);
    const cookie = await test.signIn(everybody());
    const { rows: blocks } = await sql<{ id: string }>`select id from blocks`.execute(test.database.db);
    const paths = [
      `/approvals/${request.requestId}`,
      `/tokens/${jti}`,
      `/requests/${request.requestId}`,
      `/requests/${requestId}/grant`,
      '/blocks',
      `/blocks/${blocks[0]?.id}`,
      '/sign-out',
    ];
    const posts = routes().filter(({ method }) => method === 'POST');
    for (const { path } of posts) {
      const pattern = new RegExp(`^${path.replaceAll(/:\w+/g, '[\\w-]+')}$`);
      expect([path, paths.some((known) => pattern.test(known))]).toEqual([path, true]);
    }
    const before = await everything();
    for (const path of paths) {
      const page = await test.get(path, { cookie });
      const pressed = { ...fieldsOf(page.status === 200 ? await page.text() : ''), ...PRESSED };
      const address = `${path}?${new URLSearchParams(pressed)}`;
      for (const headers of [{}, PREFETCH, { 'hx-request': 'true' }, { 'x-http-method-override': 'POST' }])
        expect((await test.get(address, { cookie, ...headers })).status).toBeLessThan(500);
      for (const method of ['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'])
        await fetch(test.url + address, { method, redirect: 'manual', headers: { cookie } });
    }
    expect(await everything()).toEqual(before);
    expect((await test.get('/approvals', { cookie })).status).toBe(200);
  });

  it('demands the role of the page', async () => {
    const cookie = await test.signIn(test.people.visitor);
    for (const path of ['/approvals', '/audit', '/']) {
      const answer = await test.get(path, { cookie });
      expect([path, answer.status]).toEqual([path, 403]);
      expect(await answer.text()).toContain('role_missing');
    }
    expect((await test.get('/requests/areq_any', { cookie })).status).toBe(404);
  });

  it('leads from the start to where a person works', async () => {
    const locations = await Promise.all(
      [test.people.approver, test.people.auditor].map(async (who) =>
        (await test.get('/', { cookie: await test.signIn(who) })).headers.get('location'),
      ),
    );
    expect(locations).toEqual(['/approvals', '/audit']);
    expect((await test.get('/')).headers.get('location')).toBe('/sign-in');
  });
});

describe('every page', () => {
  it('carries the headers that keep it from being framed, cached, scripted or leaked', async () => {
    const cookie = await test.signIn(everybody());
    const nonces = new Set<string>();
    const paths = routes()
      .filter(({ method, path }) => method === 'GET' && !/^\/(|sign-in|assets\/.*|.*\/grant)$/.test(path))
      .map(({ path }) => addressOf(path));
    expect(paths).toContain('/audit');
    for (const path of paths) {
      const { headers } = await test.get(path, { cookie });
      const policy = headers.get('content-security-policy') ?? '';
      const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? '';
      nonces.add(nonce);
      expect(policy.replace(nonce, 'NONCE')).toBe(
        "default-src 'none'; script-src 'nonce-NONCE'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types htmx",
      );
      expect(Object.fromEntries(headers)).toMatchObject({
        'cache-control': 'no-store',
        'x-frame-options': 'DENY',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
      });
    }
    expect(nonces.size).toBe(paths.length);
  });

  it('loads scripts and styles of this origin, cached for good under the digest of their content', async () => {
    const cookie = await test.signIn(test.people.approver);
    const page = await (await test.get('/approvals', { cookie })).text();
    const assets = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path = '']) => path);
    expect(assets.length).toBeGreaterThanOrEqual(6);
    expect(page).not.toMatch(/(?:src|href)="(?![/#])/);
    expect(page).not.toMatch(/\sstyle=|<script(?![^>]*\ssrc=)/);
    for (const path of assets) {
      const answer = await test.get(path);
      expect([path, answer.status, answer.headers.get('cache-control')]).toEqual([
        path,
        200,
        'public, max-age=31536000, immutable',
      ]);
    }
  });
});
