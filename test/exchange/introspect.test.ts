/** What an API is told about a token (RFC 7662): all of it while it is good, and nothing of any other. */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { endGrant, revokeToken } from '../../src/access/revoke.ts';
import { loadKeyEncryptionKeys } from '../../src/config.ts';
import { logRevocations } from '../../src/revocation/revocation-log.ts';
import { signJws } from '../../src/tokens/sign-jws.ts';
import { readSigningKey, type SigningKey } from '../../src/tokens/signing-key.ts';
import { decryptStored, findTokenKeys } from '../../src/tokens/stored-keys.ts';
import { withdrawKey } from '../../src/tokens/withdraw-key.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { changeAgent } from '../support/change-registry.ts';
import { until } from '../support/fact.ts';
import { whileLocked } from '../support/locks.ts';
import { checkPromises } from '../support/promises.ts';
import { createProver } from '../support/prover.ts';
import { READ } from './expect-refusal.ts';

const API = READ.audience;
const AUTHOR = { by: 'test', reason: 'test' };
const INACTIVE = { status: 200, body: { active: false } };

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const ask = async (token: string, who = API, more: Record<string, string> = {}): Promise<Answer> =>
  world.post('/introspect', `${new URLSearchParams({ token, ...more })}`, {
    'content-type': 'application/x-www-form-urlencoded',
    authorization: `Bearer ${await world.assertion(who)}`,
  });
const inShort = ({ status, body }: Answer) => ({ status, body });
const activity = async (token: string): Promise<boolean> => (await ask(token)).body.active;

let issued = 0;
const issue = async (parameters: Record<string, string> = {}, headers = {}): Promise<string> => {
  issued += 1;
  const { body } = await world.exchange(
    {
      subject_token: await world.assertion('support-agent'),
      ...READ,
      request_id: `introspected-${issued}`,
      ...parameters,
    },
    { headers },
  );
  return body.access_token;
};
const jtiOf = (token: string): string => decodeJwt(token).jti ?? '';

/** The key that signs, as somebody has it who stole it. */
const steal = async (token: string): Promise<SigningKey> => {
  const { kid = '' } = decodeProtectedHeader(token);
  const found = (await findTokenKeys(world.database.db)).keys.find((key) => key.kid === kid);
  const encrypted = found?.privateKeyEncrypted ?? Buffer.alloc(0);
  return readSigningKey(
    kid,
    decryptStored(loadKeyEncryptionKeys(world.settings), { kid, encrypted }, 'token'),
  );
};

describe('a token that is good', () => {
  it('is told with its claims and no more, to its API alone, and may not be kept', async () => {
    const token = await issue();
    const answer = await ask(token, API, { token_type_hint: 'refresh_token' });
    expect(inShort(answer)).toEqual({
      status: 200,
      body: { active: true, ...decodeJwt(token), token_type: 'Bearer' },
    });
    expect(Object.keys(answer.body).sort()).toEqual([
      'active',
      'aud',
      'client_id',
      'env',
      'exp',
      'iat',
      'iss',
      'jti',
      'scope',
      'sub',
      'token_type',
      'txn',
    ]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    for (const other of ['api://knowledge.test', 'api://reports.prod'])
      expect(inShort(await ask(token, other))).toEqual(INACTIVE);
  });

  it('is told with the key that it is bound to', async () => {
    const key = await createProver();
    const token = await issue({}, { dpop: key.prove('POST', `${world.issuer}/token`) });
    expect((await ask(token)).body).toMatchObject({
      active: true,
      token_type: 'DPoP',
      cnf: { jkt: key.thumbprint },
    });
  });

  it('is good while it has a successor', async () => {
    const token = await issue({ request_id: 'rotated' });
    await sql`update tokens set issued_at = issued_at - interval '35 s', expires_at = expires_at - interval '35 s'
      where jti = ${jtiOf(token)}`.execute(world.database.db);
    const { iat = 0, exp = 0, ...claims } = decodeJwt(token);
    const older = signJws(await steal(token), 'at+jwt', { ...claims, iat: iat - 35, exp: exp - 35 });
    const successor = await issue({ request_id: 'rotated' });
    expect(jtiOf(successor)).not.toBe(jtiOf(token));
    expect([await activity(older), await activity(successor)]).toEqual([true, true]);
  });
});

/** What takes a good token back. */
const TAKEN: Record<string, (token: string) => Promise<unknown>> = {
  'its own revocation': (token) => revokeToken(world.database, jtiOf(token), AUTHOR),
  'the end of its grant': (token) =>
    endGrant(world.database, String(decodeJwt(token).txn), AUTHOR, 'operator'),
  'its time': (token) =>
    sql`update tokens set expires_at = now() where jti = ${jtiOf(token)}`.execute(world.database.db),
  'another environment of its API': (token) =>
    sql`update access_requests set audience = 'api://knowledge.test' where id = ${decodeJwt(token).txn}`.execute(
      world.database.db,
    ),
};

const KINDS = [
  ['agent', 'support-agent'],
  ['audience', API],
  ['environment', 'prod'],
  ['global', ''],
] as const;

describe('a token that is not good', () => {
  it.each(Object.entries(TAKEN))('is inactive at once by %s, and nothing is told of it', async (_, take) => {
    const token = await issue();
    expect(await activity(token)).toBe(true);
    await take(token);
    expect(inShort(await ask(token))).toEqual(INACTIVE);
  });

  it.each(KINDS)('is inactive by a not-before of its %s, up to that second (T88)', async (kind, subject) => {
    const { db } = world.database;
    const token = await issue();
    const { iat = 0 } = decodeJwt(token);
    const refuse = (name: string, seconds: number) =>
      logRevocations(db, [{ kind, subject: name, until: new Date(seconds * 1_000) }]);
    await refuse(subject, iat - 1);
    if (kind !== 'global') await refuse('another', iat + 60);
    expect(await activity(token)).toBe(true);
    await refuse(subject, iat);
    expect(inShort(await ask(token))).toEqual(INACTIVE);
    await sql`delete from revocations`.execute(db);
  });

  it.each(KINDS)('is inactive under a block of its %s, until that is lifted (T88)', async (kind, subject) => {
    const { db } = world.database;
    const token = await issue();
    const block = (name: string) => sql`
      insert into blocks (id, kind, subject, lasting, reason, set_by, revision, swept_at)
      values (${`${kind} ${name}`}, ${kind}, ${name}, true, 'test', 'test', 0, now())`;
    if (kind !== 'global') await block('another').execute(db);
    expect(await activity(token)).toBe(true);
    await block(subject).execute(db);
    expect(inShort(await ask(token))).toEqual(INACTIVE);
    await sql`update blocks set lifted_at = now()`.execute(db);
    expect(await activity(token)).toBe(true);
  });

  it('is inactive when its agent is disabled, and good again when it is not', async () => {
    const token = await issue();
    await changeAgent(world, 'support-agent', { enabled: false });
    expect(inShort(await ask(token))).toEqual(INACTIVE);
    await changeAgent(world, 'support-agent', { enabled: true });
    expect(await activity(token)).toBe(true);
    // Exchanges are refused until the broker has heard of it.
    await until(() => issue());
  });
});

describe('what is no token of ours', () => {
  it.each([
    ['text', async () => 'garbage'],
    ['three parts', async () => 'a.b.c'],
    ['an assertion', () => world.assertion('support-agent')],
    ['the answer of the feed', async () => String((await world.get('/revocations')).body)],
    ['a token longer than any', async () => `${await issue()}${'A'.repeat(20_000)}`],
    ['a token with another signature', async () => (await issue()).replace(/[^.]+$/, 'A'.repeat(86))],
    ['a token without a signature', async () => (await issue()).replace(/[^.]+$/, '')],
  ])('is inactive: %s', async (_, make) => {
    expect(inShort(await ask(await make()))).toEqual(INACTIVE);
  });

  it('is inactive whoever signed it: with a stolen key too, where it says what was never issued', async () => {
    const token = await issue();
    const stolen = await steal(token);
    const claims = decodeJwt(token);
    const forge = (changes: object, typ = 'at+jwt') => ask(signJws(stolen, typ, { ...claims, ...changes }));
    expect((await forge({})).body.active).toBe(true);
    for (const changes of [
      { jti: 'tok_AAAAAAAAAAAAAAAAAAAAAA' },
      { scope: 'articles.read articles.write' },
      { sub: 'ops-agent', client_id: 'ops-agent' },
      { exp: (claims.exp ?? 0) + 60 },
      { env: 'dev' },
      { iss: 'https://other.example' },
      { cnf: { jkt: 'x' } },
      { aud: [API] },
    ])
      expect(inShort(await forge(changes)), JSON.stringify(changes)).toEqual(INACTIVE);
    expect(inShort(await forge({}, 'JWT'))).toEqual(INACTIVE);
  });
});

it('says nothing of a token while the database cannot be asked (D5)', async () => {
  const token = await issue();
  await whileLocked(world.ownerDsn, 'tokens', async () => {
    const { status, body, headers } = await ask(token);
    expect([status, body.error, headers.get('retry-after')]).toEqual([503, 'temporarily_unavailable', '1']);
  });
  expect(await activity(token)).toBe(true);
});

it('is inactive from the moment that its key is withdrawn, and tokens of the next one are good at once', async () => {
  const token = await issue();
  const { kid = '' } = decodeProtectedHeader(token);
  const keys = loadKeyEncryptionKeys(world.settings);
  const note = { kid, reason: 'it leaked', appliedBy: 'test' };
  expect(await withdrawKey(world.database, keys, note)).toHaveProperty('successor.kid');
  expect(inShort(await ask(token))).toEqual(INACTIVE);
  await expect
    .poll(async () => decodeProtectedHeader((await issue()) ?? '').kid, { timeout: 20_000 })
    .not.toBe(kid);
  expect(await activity(await issue())).toBe(true);
});
