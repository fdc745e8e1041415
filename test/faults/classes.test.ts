/** One kind of request in masses, on a database that stalls for that kind: the other kinds go on. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { whileLocked } from '../support/locks.ts';
import { checkPromises } from '../support/promises.ts';

const FLOOD = 200;
const API = 'api://knowledge.prod';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const exchange = async (): Promise<Answer> =>
  world.exchange({
    audience: API,
    scope: 'articles.read',
    subject_token: await world.assertion('support-agent'),
  });

const page = (): Promise<Answer> =>
  world.get('/approvals', {
    accept: 'text/html',
    cookie: `countersign_session=${randomBytes(32).toString('base64url')}`,
  });

/** A report of one use of a token. */
const reportOf = async (jti: string) => {
  const headers = {
    authorization: `Bearer ${await world.assertion(API)}`,
    'content-type': 'application/json',
  };
  const use = { jti, outcome: 'allowed', status: 200, at: new Date().toISOString() };
  return (): Promise<Answer> =>
    world.post('/token-use', JSON.stringify([{ ...use, event_id: randomBytes(8).toString('hex') }]), headers);
};

const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const form = (parameters: Readonly<Record<string, string>>): string =>
  new URLSearchParams(parameters).toString();

const isShed = ({ status, body }: Answer): boolean =>
  status === 503 && body.error_description.startsWith('too much is under way');

/** The first of the answers that was refused for want of room. */
const firstShed = (answers: readonly Promise<Answer>[], isShed: (answer: Answer) => boolean) =>
  Promise.any(
    answers.map(async (sent) => {
      const answer = await sent;
      if (!isShed(answer)) throw new Error('not shed');
      return answer;
    }),
  );

const jtiOf = ({ body }: Answer): string =>
  JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString()).jti;

describe('a flood of pages', () => {
  it('is refused beyond its bound with the time to come back, and leaves exchanges, reports and keys alone', async () => {
    const report = await reportOf(jtiOf(await exchange()));
    await whileLocked(world.ownerDsn, 'console_sessions', async () => {
      const flood = Array.from({ length: FLOOD }, page);
      const shed = await firstShed(
        flood,
        ({ status, body }) => status === 503 && String(body).includes('Too busy'),
      );
      expect(shed.headers.get('retry-after')).toBe('1');
      expect(shed.headers.get('content-type')).toContain('text/html');
      expect((await exchange()).status).toBe(200);
      expect((await report()).status).toBe(200);
      expect((await world.get('/jwks')).status).toBe(200);
      await Promise.all(flood);
    });
    expect((await page()).status).toBe(303);
    await checkPromises(world.database);
  });
});

describe('a flood of reports', () => {
  it('is refused beyond its bound with the time to come back, and leaves exchanges and pages alone', async () => {
    const report = await reportOf(jtiOf(await exchange()));
    await whileLocked(world.ownerDsn, 'token_uses', async () => {
      const flood = Array.from({ length: FLOOD }, report);
      const shed = await firstShed(flood, isShed);
      expect(shed.headers.get('retry-after')).toBe('1');
      expect((await exchange()).status).toBe(200);
      expect((await page()).status).toBe(303);
      await Promise.all(flood);
    });
    expect((await report()).status).toBe(200);
    await checkPromises(world.database);
  });
});

describe('a flood of introspections', () => {
  it('is refused beyond its bound with the time to come back, and leaves exchanges, pages and keys alone', async () => {
    const token = (await exchange()).body.access_token;
    const headers = { authorization: `Bearer ${await world.assertion(API)}` };
    const ask = (): Promise<Answer> => world.post('/introspect', form({ token }), { ...FORM, ...headers });
    await whileLocked(world.ownerDsn, 'revocations', async () => {
      const flood = Array.from({ length: FLOOD }, ask);
      const shed = await firstShed(flood, isShed);
      expect(shed.headers.get('retry-after')).toBe('1');
      expect((await exchange()).status).toBe(200);
      expect((await page()).status).toBe(303);
      expect((await world.get('/jwks')).status).toBe(200);
      await Promise.all(flood);
    });
    expect((await ask()).body).toMatchObject({ active: true });
    await checkPromises(world.database);
  });
});

describe('a flood of tokens given back', () => {
  it('is refused beyond its bound with the time to come back, and leaves exchanges and pages alone', async () => {
    const token = (await exchange()).body.access_token;
    const subject_token = await world.assertion('support-agent');
    const giveBack = (): Promise<Answer> =>
      world.post('/revoke', form({ token, subject_token, subject_token_type: JWT }), FORM);
    await whileLocked(world.ownerDsn, 'revocations', async () => {
      const flood = Array.from({ length: FLOOD }, giveBack);
      const shed = await firstShed(flood, isShed);
      expect(shed.headers.get('retry-after')).toBe('1');
      expect((await exchange()).status).toBe(200);
      expect((await page()).status).toBe(303);
      const answers = await Promise.all(flood);
      expect(answers.filter(({ status }) => status === 200)).toEqual([]);
    });
    expect((await giveBack()).status).toBe(200);
    await checkPromises(world.database);
  });
});
