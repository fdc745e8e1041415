/** A signing key under which very many tokens live, or that somebody holds: its withdrawal waits for none of them (T119). */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { loadKeyEncryptionKeys } from '../../src/config.ts';
import { createVerifier } from '../../src/resource-server/index.ts';
import { findTokenKeys } from '../../src/tokens/stored-keys.ts';
import { withdrawKey } from '../../src/tokens/withdraw-key.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { READ } from './expect-refusal.ts';

const MANY = 50_000;

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const ask = async (request_id: string): Promise<string | undefined> => {
  const subject_token = await world.assertion('support-agent');
  return (await world.exchange({ subject_token, ...READ, request_id })).body.access_token;
};
const withdraw = (kid: string) =>
  withdrawKey(world.database, loadKeyEncryptionKeys(world.settings), {
    kid,
    reason: 'it leaked',
    appliedBy: 'test',
  });
const introspect = async (token: string) =>
  (
    await world.post('/introspect', `${new URLSearchParams({ token })}`, {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Bearer ${await world.assertion(READ.audience)}`,
    })
  ).body;
const stillGood = async (kid: string): Promise<number> =>
  (
    await sql<{
      count: number;
    }>`select count(*) from tokens where kid = ${kid} and state <> 'REVOKED'`.execute(world.database.db)
  ).rows[0]?.count ?? -1;
const revocationEvents = async (): Promise<number> =>
  (
    await sql<{ count: number }>`select count(*) from audit_events where name = 'token.revoked'`.execute(
      world.database.db,
    )
  ).rows[0]?.count ?? -1;
const kidOf = (token: string): string => (token === '' ? '' : (decodeProtectedHeader(token).kid ?? ''));
/** A token of a key that is not withdrawn: replicas take a second to let go of one that is. */
const askAnew = async (name: string): Promise<string> => {
  for (let round = 0; ; round += 1) {
    const token = (await ask(`${name}-${round}`)) ?? '';
    const { keys } = await findTokenKeys(world.database.db);
    if (keys.some(({ kid, erased }) => kid === kidOf(token) && !erased)) return token;
  }
};

it('is good for nothing from then on, while what it signed cannot even be marked; that is done when it can', async () => {
  const token = await askAnew('held');
  const kid = kidOf(token);
  const verifier = createVerifier({ issuer: world.issuer, audience: READ.audience });
  const verify = () => verifier.verify(`Bearer ${token}`, { scope: READ.scope });
  try {
    expect(await verify()).toHaveProperty('token');
    expect(await introspect(token)).toHaveProperty('active', true);
    await world.database.db.transaction().execute(async (trx) => {
      await sql`select from tokens where kid = ${kid} for update`.execute(trx);
      expect(await withdraw(kid)).toMatchObject({ tokens: 0, successor: { algorithm: 'ES256' } });
      expect(await introspect(token)).toEqual({ active: false });
      await expect.poll(verify).toMatchObject({ refusal: { reason: 'revoked' } });
      const feed = decodeJwt(await (await fetch(`${world.issuer}/revocations`)).text());
      expect(feed).toMatchObject({ revoked: [], not_before: { keys: { [kid]: expect.any(Number) } } });
      expect(await stillGood(kid)).toBe(1);
    });
    await expect.poll(() => stillGood(kid), { timeout: 10_000 }).toBe(0);
  } finally {
    verifier.close();
  }
});

it('is withdrawn with all that it signed, however much that is, and each trace tells of its token', async () => {
  const token = await askAnew('many');
  const kid = kidOf(token);
  const grant = sql`(select grant_id from tokens where jti = ${decodeJwt(token).jti})`;
  const { db } = world.database;
  await sql`insert into tokens (jti, grant_id, kid, state, issued_at, expires_at, successor_jti)
    select 'tok_many' || n, grant_id, kid, 'ROTATED', issued_at, expires_at, jti
    from tokens, generate_series(1, ${sql.lit(MANY)}) as n where grant_id = ${grant}`.execute(db);
  await sql`insert into audit_events (name, request_id, agent_id, body)
    select 'token.issued', g.request_id, g.agent_id, convert_to(json_build_object('jti', t.jti)::text, 'UTF8')
    from tokens t join grants g on g.id = t.grant_id where t.jti like 'tok_many%'`.execute(db);
  const signed = await stillGood(kid);
  const told = await revocationEvents();
  expect(signed).toBeGreaterThan(MANY);
  const withdrawn = await withdraw(kid);
  await expect.poll(() => stillGood(kid), { timeout: 20_000 }).toBe(0);
  expect(withdrawn).toHaveProperty('successor.algorithm', 'ES256');
  expect((await revocationEvents()) - told).toBe(signed);
  const lines =
    await sql`select kind, subject from revocations where recorded_at > now() - interval '1 minute'
    and subject = ${kid} or subject like 'tok_many%'`.execute(db);
  expect(lines.rows).toEqual([{ kind: 'key', subject: kid }]);
}, 60_000);
