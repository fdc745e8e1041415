/** What must hold and does not: no token, 503 at once, and everything as before when it is back. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, JWT_TYPE, startWorld, type TestWorld } from '../support/broker.ts';
import { serveToEnd } from '../support/broker-process.ts';
import { startPrivateDatabase } from '../support/database.ts';

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };
let world: TestWorld;

const asOwner = async (statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: world.ownerDsn });
  await client.connect();
  await client.query(statement);
  await client.end();
};

const ask = async (request_id?: string) =>
  world.exchange({ ...READ, request_id, subject_token: await world.assertion('support-agent') });

const count = async (table: string): Promise<number> => {
  const rows = await world.database.query<{ count: number }>(
    { name: `count-${table}`, text: `select count(*) as count from ${table}` },
    [],
  );
  return rows[0]?.count ?? Number.NaN;
};

describe('an audit trail that cannot be written', () => {
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.stop());

  it.each([
    [
      'the insert fails',
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'disk'; end $$;
      create trigger refuse before insert on audit_events for each row execute function refuse()`,
      `drop trigger refuse on audit_events; drop function refuse`,
    ],
    [
      'the privilege is gone',
      'revoke insert on audit_events from countersign',
      'grant insert on audit_events to countersign',
    ],
  ])('means no token and nothing half done: %s', async (_why, breakIt, mend) => {
    const before = [await count('tokens'), await count('access_requests')];
    await asOwner(breakIt);
    const { status, headers, body } = await ask();
    expect({ status, body }).toEqual({
      status: 503,
      body: { error: 'temporarily_unavailable', error_description: expect.any(String) },
    });
    expect(headers.get('retry-after')).toMatch(/^\d+$/);
    expect([await count('tokens'), await count('access_requests')]).toEqual(before);
    await asOwner(mend);
    expect((await ask()).status).toBe(200);
  });

  it('is never told of in an answer', async () => {
    await asOwner('revoke insert on audit_events from countersign');
    expect(JSON.stringify((await ask()).body)).not.toMatch(/audit|permission|postgres|select|insert/i);
    await asOwner('grant insert on audit_events to countersign');
  });
});

describe('a database that is away', () => {
  it('is 503 at once and works again without a restart', { timeout: 60_000 }, async () => {
    const database = await startPrivateDatabase();
    world = await startWorld({ environment: { COUNTERSIGN_DATABASE: database.applicationDsn } });
    expect((await ask()).status).toBe(200);
    for (const [breakIt, mend] of [
      [database.stop, database.start],
      [database.pause, database.resume],
    ] as const) {
      await breakIt();
      const started = performance.now();
      const { status, body } = await ask();
      expect({ status, error: body.error }).toEqual({ status: 503, error: 'temporarily_unavailable' });
      expect(performance.now() - started).toBeLessThan(10_000);
      await mend();
      await expect.poll(async () => (await ask()).status, { timeout: 10_000 }).toBe(200);
    }
    await world.stop();
    await database.remove();
  });
});

describe("Entra's keys", () => {
  const fault = (method: 'POST' | 'DELETE', name?: string) =>
    fetch(`${world.entra.entra.authority}/lab/faults`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(name !== undefined && { body: JSON.stringify({ fault: name }) }),
    });

  it('go on being used while Entra is away; an unknown key is then 503, no verdict', async () => {
    world = await startWorld();
    expect((await ask()).status).toBe(200);
    await fault('POST', 'keys_down');
    expect((await ask()).status).toBe(200);
    const subject_token = await world.assertion('support-agent', { header: { kid: 'unknown' } });
    expect((await world.exchange({ ...READ, subject_token })).status).toBe(503);
    await fault('DELETE');
    await world.stop();
  });

  /** Where assertions are shown, and by whom a good one is answered 200. */
  const DOORS: Record<string, [who: string, show: (assertion: string) => Promise<Answer>]> = {
    '/token': ['support-agent', (subject_token) => world.exchange({ ...READ, subject_token })],
    '/revoke': [
      'support-agent',
      (subject_token) => {
        const form = { subject_token, subject_token_type: JWT_TYPE, token: 'nobody-knows-it' };
        return world.post('/revoke', `${new URLSearchParams(form)}`, {
          'content-type': 'application/x-www-form-urlencoded',
        });
      },
    ],
    '/audit': [
      'tool',
      (assertion) =>
        world.get('/audit', { accept: 'application/json', authorization: `Bearer ${assertion}` }),
    ],
  };

  it.each(Object.entries(DOORS))(
    'that are waited for at %s take no place from those that are known',
    async (_path, [who, show]) => {
      world = await startWorld();
      expect((await show(await world.assertion(who))).status).toBe(200);
      await fault('POST', 'keys_slow');
      const invented = await Promise.all(
        Array.from({ length: 400 }, (_, index) =>
          world.assertion(who, { header: { kid: `invented-${index}` } }),
        ),
      );
      const flood = invented.map(show);
      for (let count = 0; count < 5; count += 1)
        expect((await show(await world.assertion(who))).status).toBe(200);
      await fault('DELETE');
      const answers = await Promise.all(flood);
      expect(answers.filter(({ status }) => status < 400)).toEqual([]);
      await world.stop();
    },
  );
});

describe('a start without what must hold', () => {
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.stop());

  it.each([
    ['no policy', { COUNTERSIGN_POLICY: '/nowhere/bundle.tar.gz' }, /COUNTERSIGN_POLICY/],
    [
      'another key encryption key',
      {
        COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: '',
        COUNTERSIGN_KEY_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64'),
      },
      /COUNTERSIGN_KEY_ENCRYPTION_KEY/,
    ],
    ['a taken port', { COUNTERSIGN_LISTEN: 'taken' }, /already in use.*COUNTERSIGN_LISTEN/],
    [
      'several settings wrong',
      { COUNTERSIGN_URL: 'http://broker.example', COUNTERSIGN_ENTRA: '' },
      /COUNTERSIGN_URL[\s\S]*COUNTERSIGN_ENTRA is missing/,
    ],
  ])('ends with the reason: %s', async (_what, changes, reason) => {
    const taken = `127.0.0.1:${world.brokers[0]?.port}`;
    const settings = Object.fromEntries(
      Object.entries({ ...world.settings, ...changes }).map(([name, value]) => [
        name,
        value === 'taken' ? taken : value,
      ]),
    );
    const { code, output } = await serveToEnd(settings);
    expect(code).toBe(1);
    expect(output).toMatch(reason);
  });

  it('refuses a broken bundle', async () => {
    const bundle = join(world.entra.directory, 'broken.tar.gz');
    await writeFile(bundle, 'not a bundle');
    const { code, output } = await serveToEnd({ ...world.settings, COUNTERSIGN_POLICY: bundle });
    expect(code).toBe(1);
    expect(output).toMatch(/bundle/);
    await rm(bundle);
  });
});
