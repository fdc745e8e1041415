/** More exchanges at once than are let in, and senders who never finish: the others go on being served. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SLOTS } from '../../src/http/slots.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { whileLocked } from '../support/locks.ts';
import { checkPromises } from '../support/promises.ts';
import { type Crowd, openCrowd } from './crowd.ts';

let world: TestWorld;
const crowds: Crowd[] = [];

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  for (const crowd of crowds) crowd.leave();
  await world.stop();
});

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

const exchange = async (request_id: string) =>
  world.exchange({ ...READ, request_id, subject_token: await world.assertion('support-agent') });

describe('a flood of exchanges', () => {
  it('is shed beyond what can be done soon, with the time to come back, and takes nothing else with it', async () => {
    const subject_token = await world.assertion('support-agent');
    const released = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = world.database.db.transaction().execute(async (trx) => {
      await sql`select from agents where id = 'support-agent' for update`.execute(trx);
      locked.resolve();
      await released.promise;
    });
    await locked.promise;
    const flood = Array.from({ length: 600 }, (_, index) =>
      world.exchange({ ...READ, subject_token, request_id: `flood-${index}` }),
    );
    const isShed = ({ status, body }: Answer): boolean =>
      status === 503 && body.error_description.startsWith('too much is under way');
    const shed = await Promise.any(
      flood.map(async (sent) => {
        const answer = await sent;
        if (!isShed(answer)) throw new Error('not shed');
        return answer;
      }),
    );
    expect(shed.headers.get('retry-after')).toBe('1');
    expect(shed.headers.get('cache-control')).toBe('no-store');
    expect(shed.body.error).toBe('temporarily_unavailable');
    expect((await world.get('/jwks')).status).toBe(200);
    released.resolve();
    await holding;
    const answers = await Promise.all(flood);
    expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    expect((await exchange('after-the-flood')).status).toBe(200);
    await checkPromises(world.database);
  });
});

/** How many of a class were refused for want of room, as /metrics counts them. */
const shedOf = async (route: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${world.brokers[0]?.operationsPort}/metrics`)).text();
  return Number(new RegExp(`shed_total\\{route="${route}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
};

/** So many who begin a post whose form never ends. */
const beginPosts = async (count: number, path: string, headers = ''): Promise<Crowd> => {
  const { host } = new URL(world.issuer);
  const crowd = await openCrowd(world.brokers[0]?.port ?? 0, count, {
    opening: `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n${headers}\r\nreason=`,
    drip: '',
    reads: false,
  });
  crowds.push(crowd);
  return crowd;
};

describe('senders who never finish their form', () => {
  it('take no place of those who do', async () => {
    const crowd = await beginPosts(400, '/token');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => exchange(`meanwhile-${index}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    await crowd.closed();
  });

  it('take no place of pages either', async () => {
    await beginPosts(100, '/blocks', `Origin: ${world.issuer}\r\nSec-Fetch-Site: same-origin\r\n`);
    for (let count = 0; count < 5; count += 1)
      expect((await world.get('/approvals', { accept: 'text/html' })).status).toBe(303);
  });

  it('and finish all at once, take no more places of pages than others', async () => {
    const { host } = new URL(world.issuer);
    const headers = [
      `Host: ${host}`,
      `Origin: ${world.issuer}`,
      'Sec-Fetch-Site: same-origin',
      `Cookie: countersign_session=${randomBytes(32).toString('base64url')}`,
      'Content-Type: application/x-www-form-urlencoded',
      'Content-Length: 8',
      'Connection: close',
    ].join('\r\n');
    await whileLocked(world.ownerDsn, 'console_sessions', async () => {
      const crowd = await openCrowd(world.brokers[0]?.port ?? 0, 4 * SLOTS.pages, {
        opening: `POST /blocks HTTP/1.1\r\n${headers}\r\n\r\nreason=`,
        drip: 'x',
        reads: true,
      });
      crowds.push(crowd);
      await crowd.closed();
    });
    expect(await shedOf('pages')).toBeGreaterThanOrEqual(2 * SLOTS.pages);
    expect((await world.get('/approvals', { accept: 'text/html' })).status).toBe(303);
  });
});
