/** The limit before anybody is known, as strangers meet it; each comes from a loopback address of its own. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, JWT_TYPE, startWorld, type TestWorld } from '../support/broker.ts';
import {
  countedOf,
  exchangeFrom,
  expectSlowDown,
  READ,
  repeat,
  startLimited,
  statusesOf,
  toldOf,
} from '../support/throttled.ts';

let world: TestWorld;
afterEach(() => world.stop());

describe('an address that sends bad assertions', () => {
  it('is refused after so many, without a look at what it sends, and is told of once a minute (T58)', async () => {
    world = await startLimited('address=30');
    const unknownKey = await world.assertion('support-agent', { header: { kid: 'unknown' } });
    const answers = await repeat(40, () =>
      exchangeFrom(world, '127.0.0.2', { ...READ, subject_token: unknownKey }),
    );
    expect(statusesOf(answers)).toEqual([...Array(30).fill(400), ...Array(10).fill(429)]);
    expectSlowDown(answers[30], 'address', 30);
    expect(answers[30]?.body.request_id).toBeUndefined();
    expect(await toldOf(world)).toMatchObject({
      count: 1,
      body: { reason: 'limit_address', quota: 30, window_seconds: 60, network: '127.0.0.0/24' },
    });
    expect(await countedOf(world, 'address')).toBe(10);
    const good = { ...READ, subject_token: await world.assertion('support-agent') };
    expect((await exchangeFrom(world, '127.0.0.2', good)).status).toBe(429);
    expect((await exchangeFrom(world, '127.0.0.3', good)).status).toBe(200);
  });

  it('does not stop who shares it with an assertion that was good before, which is verified all the same', async () => {
    world = await startLimited('address=3');
    const from = '127.0.0.4';
    const known = await world.assertion('support-agent');
    expect((await exchangeFrom(world, from, { ...READ, subject_token: known })).status).toBe(200);
    await repeat(5, () => exchangeFrom(world, from, { ...READ, subject_token: 'bad' }));
    const [good, altered] = [
      await exchangeFrom(world, from, { ...READ, subject_token: known }),
      await exchangeFrom(world, from, { ...READ, subject_token: `${known.slice(0, -4)}AAAA` }),
    ];
    expect(statusesOf([good, altered])).toEqual([200, 429]);
  });

  it('cannot hide behind forwarding headers that nobody trusts (T10)', async () => {
    world = await startLimited('address=5');
    const answers = await repeat(8, (n) => {
      const headers = {
        'x-forwarded-for': `198.51.100.${n}`,
        forwarded: `for=198.51.100.${n}`,
        'x-real-ip': `198.51.100.${n}`,
      };
      return exchangeFrom(world, '127.0.0.5', { ...READ, subject_token: 'bad' }, headers);
    });
    expect(statusesOf(answers)).toEqual([400, 400, 400, 400, 400, 429, 429, 429]);
  });

  it('is known by what a trusted proxy says, IPv6 by its /64 in every spelling', async () => {
    world = await startWorld({
      environment: { COUNTERSIGN_RATE_LIMITS: 'address=2', COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1' },
    });
    const sendFor = (address: string) =>
      world.exchange({ ...READ, subject_token: 'bad' }, { headers: { 'x-forwarded-for': address } });
    const answers: Answer[] = [];
    for (const address of ['2001:db8::1', '2001:DB8:0:0:ffff::2', '2001:db8:0:0::3', '2001:db8:0:1::1'])
      answers.push(await sendFor(address));
    expect(statusesOf(answers)).toEqual([400, 400, 429, 400]);
  });

  it('is limited at every door where assertions are shown, all of them together', async () => {
    world = await startLimited('address=3');
    const bearer = { authorization: 'Bearer bad', accept: 'application/json' };
    expect((await world.exchange({ ...READ, subject_token: 'bad' })).status).toBe(400);
    expect((await world.get('/audit', bearer)).status).toBe(401);
    expect((await world.post('/token-use', '[]', bearer)).status).toBe(401);
    const form = `${new URLSearchParams({ subject_token: 'bad', subject_token_type: JWT_TYPE, token: 'x' })}`;
    const answers = [
      await world.get('/audit', bearer),
      await world.post('/token-use', '[]', bearer),
      await world.post('/introspect', form, bearer),
      await world.post('/revoke', form),
    ];
    for (const answer of answers) expectSlowDown(answer, 'address', 3);
  });

  it('is not made of clients that try HTTP Basic first', async () => {
    world = await startLimited('address=1,exchange=2,miss=1');
    const subject_token = await world.assertion('support-agent');
    const authorization = `Basic ${btoa('support-agent:secret')}`;
    const tries = await repeat(20, () =>
      world.exchange({ ...READ, subject_token }, { headers: { authorization } }),
    );
    expect(new Set(statusesOf(tries))).toEqual(new Set([401]));
    expect((await world.exchange({ ...READ, subject_token })).status).toBe(200);
  });
});

/** Entra answers no more for its keys, or again. */
const keysAre = (state: 'down' | 'up'): Promise<Response> =>
  fetch(`${world.entra.entra.authority}/lab/faults`, {
    method: state === 'down' ? 'POST' : 'DELETE',
    headers: { 'content-type': 'application/json' },
    ...(state === 'down' && { body: JSON.stringify({ fault: 'keys_down' }) }),
  });

const invented = async (name: string) => ({
  ...READ,
  subject_token: await world.assertion('support-agent', { header: { kid: name } }),
});

describe('an address that names unknown keys while Entra is away', () => {
  it('is refused after so many and logged once, but whoever uses known keys from there goes on (T59)', async () => {
    world = await startLimited('address=5');
    const good = async () => ({ ...READ, subject_token: await world.assertion('support-agent') });
    const from = '127.0.0.6';
    expect((await exchangeFrom(world, from, await good())).status).toBe(200);
    await keysAre('down');
    const answers = await repeat(8, async (n) => exchangeFrom(world, from, await invented(`invented-${n}`)));
    expect(statusesOf(answers)).toEqual([503, 503, 503, 503, 503, 429, 429, 429]);
    expectSlowDown(answers[5], 'address', 5);
    expect(await countedOf(world, 'address')).toBe(3);
    expect(await toldOf(world)).toMatchObject({ count: 1, body: { network: '127.0.0.0/24' } });
    expect(world.log.filter((line) => line.includes('answered 503'))).toHaveLength(1);
    expect((await exchangeFrom(world, from, await good())).status).toBe(200);
    expect((await exchangeFrom(world, '127.0.0.7', await invented('elsewhere'))).status).toBe(503);
  });

  it('is not limited before any key is known, when nobody could be told from a stranger', async () => {
    world = await startLimited('address=2');
    await keysAre('down');
    const answers = await repeat(6, async (n) =>
      exchangeFrom(world, '127.0.0.8', await invented(`any-${n}`)),
    );
    expect(statusesOf(answers)).toEqual([503, 503, 503, 503, 503, 503]);
  });
});
