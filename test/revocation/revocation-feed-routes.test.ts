/** What the feed signs: each place once a second, few places, and everything else the same for all. */
import Koa from 'koa';
import { pino } from 'pino';
import { afterAll, expect, it } from 'vitest';
import { listen } from '../../src/http/server.ts';
import { revocationFeedRoutes } from '../../src/oauth/revocation-feed-routes.ts';
import { makeSigningKey, readSigningKey } from '../../src/tokens/signing-key.ts';

const PLACES = 500;

const { kid, der } = await makeSigningKey('ES256');
const key = readSigningKey(kid, der);
let signatures = 0;
const counting = {
  ...key,
  sign: (data: string) => {
    signatures += 1;
    return key.sign(data);
  },
};
/** One moment, in which a reader may be anywhere. */
const now = new Date();
const feed = {
  read: async (cursor: string | null) => ({
    now,
    cursor: 'end',
    complete: cursor === null,
    revoked: cursor === null ? [{ jti: 'all', exp: 1 }] : [],
    not_before: {},
  }),
};
const app = new Koa();
app.use(
  revocationFeedRoutes({
    issuer: 'https://broker.example',
    feed,
    signingKeys: { active: () => counting },
  }).routes(),
);
const server = await listen({
  host: '127.0.0.1',
  port: 0,
  setting: 'NONE',
  handler: app.callback(),
  logger: pino({ level: 'silent' }),
});
afterAll(() => server.close());

const read = async (query: string): Promise<{ after?: string; complete: boolean }> => {
  const text = await (await fetch(`http://127.0.0.1:${server.port}/revocations${query}`)).text();
  return JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString());
};

it('signs a bounded number of places, and is complete for readers beyond: nobody else pays for who asks for many', async () => {
  const answers = await Promise.all(Array.from({ length: PLACES }, (_, place) => read(`?after=p${place}`)));
  expect(signatures).toBeLessThanOrEqual(65);
  for (const [place, { after, complete }] of answers.entries())
    expect([after, complete]).toEqual(complete ? [undefined, true] : [`p${place}`, false]);
  const before = signatures;
  await Promise.all([read(''), read('?after=p0'), read('?after=a&after=b'), read('?after')]);
  expect(signatures - before).toBeLessThanOrEqual(1);
});
