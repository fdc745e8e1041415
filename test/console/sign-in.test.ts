import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { personOf } from '../../lab/world.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { newBrowser } from '../support/plain-browser.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const events = async (name: string): Promise<{ readonly [name: string]: unknown }[]> => {
  const { rows } = await sql<{ body: { readonly [name: string]: unknown } }>`
    select convert_from(body, 'UTF8')::jsonb as body from audit_events where name = ${name} order by position`.execute(
    world.database.db,
  );
  return rows.map(({ body }) => body);
};

const sessions = async (): Promise<number> => {
  const { rows } = await sql<{ count: number }>`select count(*) as count from console_sessions`.execute(
    world.database.db,
  );
  return rows[0]?.count ?? -1;
};

it('leads from a page through Entra back to that page, signed in with the roles of Entra', async () => {
  const browser = newBrowser(world);
  const asked = await browser.open('/approvals?show=decided');
  expect(asked.headers.get('location')).toBe('/sign-in?return_to=%2Fapprovals%3Fshow%3Ddecided');
  const back = await browser.signIn(asked.headers.get('location') ?? '');
  expect([back.status, back.headers.get('location')]).toEqual([303, '/approvals?show=decided']);
  expect(back.headers.get('set-cookie')).toMatch(
    /^countersign_session=[\w-]{43}; Path=\/; Max-Age=28800; HttpOnly; SameSite=Lax$/,
  );
  const page = await browser.open('/approvals');
  const { username, objectId, roles } = personOf(world.entra.world, 'approver');
  expect(await page.text()).toContain(username);
  expect((await events('console.signed_in')).at(-1)).toMatchObject({
    person: { tenant: world.entra.entra.tenant, object: objectId },
    roles: [...roles].sort(),
  });
  const { rows } = await sql`select username from people where object_id = ${objectId}`.execute(
    world.database.db,
  );
  expect(rows).toEqual([{ username }]);
});

it('sends code flow with PKCE, state and nonce, new every time', async () => {
  const browser = newBrowser(world);
  const asked = async () =>
    new URL((await browser.open('/sign-in?return_to=/')).headers.get('location') ?? '').searchParams;
  const [first, second] = [await asked(), await asked()];
  expect(Object.fromEntries(first)).toMatchObject({
    response_type: 'code',
    response_mode: 'query',
    code_challenge_method: 'S256',
    redirect_uri: `${world.issuer}/sign-in/callback`,
  });
  for (const name of ['state', 'nonce', 'code_challenge']) {
    expect(first.get(name)).toMatch(/^[\w-]{43}$/);
    expect(second.get(name)).not.toBe(first.get(name));
  }
  expect(first.has('prompt')).toBe(false);
  const again = (await browser.open('/sign-in?return_to=/&again=1')).headers.get('location') ?? '';
  expect(new URL(again).searchParams.get('prompt')).toBe('login');
});

it('offers the choice of an account to whoever signed out', async () => {
  const browser = newBrowser(world);
  await browser.signIn('/sign-in?return_to=/');
  const [, href = ''] =
    /class="button" href="([^"]+)"/.exec(await (await browser.open('/signed-out')).text()) ?? [];
  const to = (await browser.open(href.replaceAll('&amp;', '&'))).headers.get('location') ?? '';
  expect(new URL(to).searchParams.get('prompt')).toBe('select_account');
});

it('ends the session that the browser brought along, so that none can be fixed beforehand', async () => {
  const browser = newBrowser(world);
  await browser.signIn('/sign-in?return_to=/');
  const before = browser.cookie('countersign_session');
  await browser.signIn('/sign-in?return_to=/&again=1');
  const after = browser.cookie('countersign_session');
  expect(after).not.toBe(before);
  const dead = await fetch(`${world.issuer}/approvals`, {
    redirect: 'manual',
    headers: { cookie: `countersign_session=${before}` },
  });
  expect(dead.status).toBe(303);
  const planted = newBrowser(world);
  await planted.open('/');
  planted.jars.get(new URL(world.issuer).host)?.set('countersign_session', 'P'.repeat(43));
  await planted.signIn('/sign-in?return_to=/');
  expect(planted.cookie('countersign_session')).not.toBe('P'.repeat(43));
});

it('signs nobody in by a return that is not this browser’s own, or not whole', async () => {
  const browser = newBrowser(world);
  const reply = await browser.reply('/sign-in?return_to=/');
  const change = (changes: Record<string, string | null>): string => {
    const url = new URL(reply);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    return url.href;
  };
  const before = await sessions();
  const lured = newBrowser(world);
  await lured.open('/sign-in?return_to=/');
  const attempts = [
    await newBrowser(world).open(reply),
    await lured.open(reply),
    await browser.open(change({ state: null })),
    await browser.open(change({ state: 'A'.repeat(43) })),
    await browser.open(`${reply}&state=${'A'.repeat(43)}`),
  ];
  expect(attempts.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400]);
  expect(await sessions()).toBe(before);
  expect((await events('console.sign_in_refused')).at(-1)).toMatchObject({ reason: 'state' });
  expect((await browser.open(reply)).status).toBe(303);
  expect((await browser.open(reply)).status).toBe(400);
});

it('signs nobody in by a code that belongs to another sign-in, or by Entra’s refusal', async () => {
  const mine = newBrowser(world);
  const theirs = newBrowser(world);
  const stolen = new URL(await theirs.reply('/sign-in?return_to=/')).searchParams.get('code') ?? '';
  const swapped = new URL(await mine.reply('/sign-in?return_to=/'));
  swapped.searchParams.set('code', stolen);
  const before = await sessions();
  expect((await mine.open(swapped.href)).status).toBe(400);
  expect((await events('console.sign_in_refused')).at(-1)).toMatchObject({ reason: 'code' });
  const refusedReply = new URL(await mine.reply('/sign-in?return_to=/&again=1'));
  refusedReply.searchParams.delete('code');
  refusedReply.searchParams.set('error', 'access_denied');
  refusedReply.searchParams.set('error_description', '<img src=x onerror=alert(1)>');
  const refused = await mine.open(refusedReply.href);
  expect(refused.status).toBe(400);
  expect(await refused.text()).not.toContain('onerror');
  expect(await sessions()).toBe(before);
});

it.each([
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  '/approvals//evil.example',
  'javascript:alert(1)',
  '/sign-out',
  '/token',
  '/approvals\r\nSet-Cookie: x=1',
])('never leads back to %j', async (address) => {
  const browser = newBrowser(world);
  const back = await browser.signIn(`/sign-in?return_to=${encodeURIComponent(address)}`);
  expect([back.status, back.headers.get('location')]).toEqual([303, '/']);
});

it('keeps no token of Entra: not in the database, not in the log', async () => {
  await newBrowser(world).signIn('/sign-in?return_to=/');
  const { rows } = await sql<{ text: string }>`
    select s::text as text from console_sessions s union all select i::text from sign_ins i
    union all select convert_from(body, 'UTF8') from audit_events`.execute(world.database.db);
  const kept = [...rows.map(({ text }) => text), ...world.log].join('\n');
  expect(kept).not.toMatch(/eyJ[\w-]{10,}\./);
  expect(kept).not.toContain(world.entra.world.broker.clientSecret);
});

it('says so while Entra is down, and goes on for those who are signed in', async () => {
  const browser = newBrowser(world);
  await browser.signIn('/sign-in?return_to=/approvals');
  const stranger = newBrowser(world);
  const reply = await stranger.reply('/sign-in?return_to=/approvals');
  await world.entra.entra.stop();
  const begin = '/sign-in?return_to=/';
  await expect.poll(async () => (await stranger.open(begin)).status, { timeout: 5_000 }).toBe(503);
  for (const address of [begin, reply]) {
    const answer = await stranger.open(address);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await answer.text()).toContain('Microsoft Entra does not answer');
  }
  expect((await browser.open('/approvals')).status).toBe(200);
});
