/** More exchanges at once than are let in, and senders who never finish: the others go on being served. */
import { connect, type Socket } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;
const sockets: Socket[] = [];

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
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

/** Begins so many posts whose form never ends; ends with the sockets in the end. */
const beginPosts = async (count: number, path: string, headers: string): Promise<void> => {
  const { host } = new URL(world.issuer);
  const port = world.brokers[0]?.port ?? 0;
  const opened = Array.from({ length: count }, async () => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n${headers}\r\n`,
    );
  });
  await Promise.all(opened);
};

describe('senders who never finish their form', () => {
  it('take no place of those who do', async () => {
    await beginPosts(400, '/token', '');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => exchange(`meanwhile-${index}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const cut = sockets.map((socket) =>
      socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once('close', resolve)),
    );
    for (const socket of sockets) socket.resume();
    await Promise.all(cut);
  });

  it('take no place of pages either', async () => {
    await beginPosts(100, '/blocks', `Origin: ${world.issuer}\r\nSec-Fetch-Site: same-origin\r\n`);
    for (let count = 0; count < 5; count += 1)
      expect((await world.get('/approvals', { accept: 'text/html' })).status).toBe(303);
  });
});
