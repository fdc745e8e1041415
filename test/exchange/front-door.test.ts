/** What strangers write into Host, target and forwarding headers, on every kind of address that a broker answers. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Reply, send } from '../http/wire.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;
let port: number;
let host: string;

beforeAll(async () => {
  world = await startWorld();
  port = world.brokers[0]?.port ?? 0;
  host = new URL(world.issuer).host;
});
afterAll(() => world.stop());

const READS = [
  '/',
  '/jwks',
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
  '/revocations',
  '/sign-in',
  '/sign-in?return_to=%2Fapprovals',
  '/sign-in/callback?state=x&code=y',
  '/signed-out',
  '/approvals',
  '/approvals/areq_x',
  '/requests/areq_x',
  '/audit',
  '/assets/x.css',
  '/nowhere',
];
const POSTS = ['/token', '/token-use', '/introspect', '/revoke', '/sign-out', '/approvals/areq_x'];
const LINES: [string, string][] = [
  ...READS.map((path): [string, string] => ['GET', path]),
  ...POSTS.map((path): [string, string] => ['POST', path]),
];

const NOT_HELD = 'Prefer: wait=0';
const ask = (method: string, target: string, headers: readonly string[]): Promise<Reply> =>
  send(port, `${method} ${target}`, [
    ...headers,
    NOT_HELD,
    ...(method === 'POST' ? ['Content-Length: 0'] : []),
  ]);

const locationOf = ({ head }: Reply): string | null => /^location: (.*)$/im.exec(head)?.[1]?.trim() ?? null;

describe('another host', () => {
  it.each(LINES)('is refused on %s %s, however it is named, and not repeated (T9)', async (method, path) => {
    const refused = [
      await ask(method, path, ['Host: evil.example']),
      await ask(method, path, [`Host: ${host}@evil.example`]),
      await ask(method, path, [`Host: good@evil.example`]),
      await ask(method, path, [`Host: ${host}`, 'Host: evil.example']),
      await ask(method, path, ['Host: evil.example', `Host: ${host}`]),
      await ask(method, `http://evil.example${path}`, [`Host: ${host}`]),
      await ask(method, `//evil.example${path}`, [`Host: ${host}`]),
    ];
    for (const { status, head, body } of refused) {
      expect([400, 421]).toContain(status);
      expect(head + body).not.toContain('evil');
      expect(locationOf({ status, head, body })).toBeNull();
    }
  });
});

describe('a redirect', () => {
  it.each([
    '/sign-in?return_to=%2F%2Fevil.example',
    '/sign-in?return_to=https%3A%2F%2Fevil.example%2F',
    '/sign-in?return_to=%5C%5Cevil.example',
    '/sign-in/',
    '/sign-in//evil.example',
    '/approvals/',
    '/approvals//evil.example',
    '/approvals/..//evil.example',
    '/%2f%2fevil.example',
    '/%5cevil.example',
    '/\\evil.example',
    '/.//evil.example/',
    '/@evil.example',
    '/jwks/',
    '/signed-out/',
    '/%0d%0aLocation:%20https:%2f%2fevil.example',
  ])('leads nowhere but to this host or to Entra: %s (T9)', async (target) => {
    const forged = [
      'X-Forwarded-Host: evil.example',
      'X-Original-URL: //evil.example',
      'X-Rewrite-URL: //evil.example',
    ];
    const location = locationOf(await ask('GET', target, [`Host: ${host}`, ...forged]));
    if (location === null) return;
    const { origin } = new URL(location, world.issuer);
    expect([new URL(world.issuer).origin, new URL(world.entra.entra.authority).origin]).toContain(origin);
    expect(location).not.toMatch(/(?:^|[^%])\/\/evil/);
  });

  it('of a sign-out leads to a page of this host', async () => {
    const own = [`Host: ${host}`, `Origin: ${world.issuer}`, 'Sec-Fetch-Site: same-origin'];
    const reply = await ask('POST', '/sign-out', [...own, 'X-Forwarded-Host: evil.example']);
    expect([reply.status, locationOf(reply)]).toEqual([303, '/signed-out']);
  });
});

/** What a proxy tells of a client that it has authenticated, or of what it was asked; nobody here is one. */
const CLAIMED = [
  'X-Client-Cert: MIIB',
  'X-SSL-Client-Cert: MIIB',
  'X-SSL-Client-Verify: SUCCESS',
  'X-SSL-Client-S-DN: CN=ops-agent',
  'X-Forwarded-Client-Cert: By=spiffe://evil;Hash=00;Subject="CN=ops-agent";URI=spiffe://ops-agent',
  'Client-Cert: :MIIB:',
  'X-Forwarded-User: avery.approver',
  'X-Forwarded-Email: avery.approver@lab.example',
  'X-Auth-Request-User: avery.approver',
  'Remote-User: avery.approver',
  'X-MS-CLIENT-PRINCIPAL: e30=',
  'X-Forwarded-Uri: /signed-out',
  'X-Forwarded-Prefix: /evil',
  'X-Forwarded-Host: evil.example',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Port: 1',
  'X-Forwarded-Scheme: https',
  'X-Forwarded-For: 6.6.6.6',
  'X-Real-IP: 6.6.6.6',
  'X-Original-URL: /signed-out',
  'X-Rewrite-URL: /signed-out',
  'X-HTTP-Method-Override: GET',
  'Forwarded: for=6.6.6.6;host=evil.example;proto=https',
];

/** An answer without what is new in each. */
const lasting = ({ status, head, body }: Reply): string =>
  `${status} ${head}${body}`
    .replace(/^(?:date|content-security-policy|set-cookie|etag|x-request-id): .*$/gim, '')
    .replace(/(?:state|nonce|code_challenge|client-request-id|return_to)=[^&"\s]+/g, '')
    .replace(/nonce="[^"]*"|[0-9a-f]{32}|eyJ[\w.-]+/g, '');

describe('headers that only a proxy may send', () => {
  it.each(LINES)('of a stranger change nothing of %s %s (T10)', async (method, path) => {
    const plain = await ask(method, path, [`Host: ${host}`]);
    const claimed = await ask(method, path, [`Host: ${host}`, ...CLAIMED]);
    expect(lasting(claimed)).toBe(lasting(plain));
    expect(claimed.head + claimed.body).not.toMatch(/evil|6\.6\.6\.6/);
  });

  it('leave the trail with the address of who sent them (T10)', async () => {
    for (const [method, path] of LINES) await ask(method, path, [`Host: ${host}`, ...CLAIMED]);
    const { rows } = await sql<{ network: string }>`
      select distinct convert_from(body, 'UTF8')::jsonb ->> 'network' as network from audit_events
      where convert_from(body, 'UTF8')::jsonb ? 'network'`.execute(world.database.db);
    expect(rows).toEqual([{ network: '127.0.0.0/24' }]);
  });

  it('bind no token and name no agent (T10)', async () => {
    const headers = Object.fromEntries(CLAIMED.map((line) => line.split(/: (.*)/, 2) as [string, string]));
    const parameters = { audience: 'api://knowledge.prod', scope: 'articles.read' };
    const subject_token = await world.assertion('support-agent');
    const { status, body } = await world.exchange({ ...parameters, subject_token }, { headers });
    const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString());
    expect({ status, client: claims.client_id, type: body.token_type }).toEqual({
      status: 200,
      client: 'support-agent',
      type: 'Bearer',
    });
    expect(claims.cnf).toBeUndefined();
    const none = await world.exchange(parameters, { headers });
    expect({ status: none.status, error: none.body.error }).toEqual({
      status: 400,
      error: 'invalid_request',
    });
  });
});

describe('a page of another origin', () => {
  const FOREIGN = ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: cors'];

  it.each(LINES)(
    'gets no permission to read %s %s, asked before or sent with cookies (T16)',
    async (method, path) => {
      const asks = [
        'Access-Control-Request-Method: POST',
        'Access-Control-Request-Headers: authorization,dpop',
      ];
      const cookie = 'Cookie: countersign_session=x';
      const replies = [
        await ask('OPTIONS', path, [`Host: ${host}`, ...FOREIGN, ...asks]),
        await ask(method, path, [`Host: ${host}`, ...FOREIGN, cookie]),
        await ask(method, path, [`Host: ${host}`, 'Origin: null', cookie]),
      ];
      for (const { head } of replies) expect(head).not.toMatch(/access-control-/i);
      expect(replies[0]?.status).toBeGreaterThanOrEqual(400);
    },
  );
});

describe('text that is none in an address', () => {
  const TEXTS = ['%00', 'a%00b', '%ff%fe', '%ed%a0%80', '%c0%af', '%', '%u0041', '%zz'];

  it.each([
    '/TEXT',
    '/approvals/TEXT',
    '/approvals?show=TEXT',
    '/requests/TEXT',
    '/audit?agent=TEXT',
    '/audit?request=TEXT',
    '/audit?event=TEXT',
    '/audit?from=TEXT',
    '/audit?after=TEXT',
    '/assets/TEXT',
    '/revocations?after=TEXT',
    '/sign-in?return_to=TEXT',
    '/sign-in/callback?state=TEXT&code=TEXT',
  ])('is the fault of who sends it: %s (T13)', async (target) => {
    const tool = [`Host: ${host}`, `Authorization: Bearer ${await world.assertion('tool')}`];
    for (const text of TEXTS)
      for (const headers of [[`Host: ${host}`], [...tool, 'Accept: application/json']]) {
        const { status } = await ask('GET', target.replaceAll('TEXT', text), headers);
        expect([text, status >= 200 && status < 500]).toEqual([text, true]);
      }
  });

  it.each(['event_id', 'jti', 'outcome', 'at'])('is no member of a report: %s (T13)', async (member) => {
    const headers = {
      authorization: `Bearer ${await world.assertion('api://knowledge.prod')}`,
      'content-type': 'application/json',
    };
    const use = { event_id: 'e', jti: 'x', outcome: 'allowed', status: 200, at: new Date().toISOString() };
    for (const text of ['\\u0000', '\\ud800', 'a\\u0000b']) {
      const report = JSON.stringify([{ ...use, [member]: 'TEXT' }]).replace('TEXT', text);
      const { status, body } = await world.post('/token-use', report, headers);
      expect([text, status, body.error]).toEqual([text, 400, 'invalid_request']);
    }
  });
});
