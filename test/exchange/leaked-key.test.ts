/** A signing key that has leaked: what agents and APIs meet when it is withdrawn under them (T119). */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../src/commands/keys.ts';
import { loadKeyEncryptionKeys } from '../../src/config.ts';
import { createVerifier } from '../../src/resource-server/index.ts';
import { signJws } from '../../src/tokens/sign-jws.ts';
import { readSigningKey, type SigningKey } from '../../src/tokens/signing-key.ts';
import { decryptStored, findTokenKeys } from '../../src/tokens/stored-keys.ts';
import { NOTHING_REVOKED } from '../resource-server/local-feed.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { READ } from './expect-refusal.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ brokers: 2 });
});
afterAll(() => world.stop());

const run = async (args: readonly string[], changes: Record<string, string> = {}) => {
  let printed = '';
  const write = (text: string): void => {
    printed += text;
  };
  const environment = { ...world.settings, ...changes };
  const code = await keys.run(args, {
    environment,
    write,
    writeError: write,
    logger: pino({ enabled: false }),
  });
  return { code, printed };
};

/** What a thief has. */
const leakOf = async (kid: string): Promise<SigningKey> => {
  const found = (await findTokenKeys(world.database.db)).keys.find((key) => key.kid === kid);
  const encrypted = found?.privateKeyEncrypted ?? Buffer.alloc(0);
  return readSigningKey(
    kid,
    decryptStored(loadKeyEncryptionKeys(world.settings), { kid, encrypted }, 'token'),
  );
};
const kidOf = (token: string): string => decodeProtectedHeader(token).kid ?? '';
const ask = async (parameters: Record<string, string>, port?: number) =>
  world.exchange({ ...READ, ...parameters }, port === undefined ? {} : { port });
/** Asks until the answer comes from a replica that has looked. */
const askUntilSigned = async (kid: string, parameters: Record<string, string>, port: number) => {
  for (;;) {
    const { status, body } = await ask(parameters, port);
    if (status === 200 && kidOf(body.access_token) === kid) return body.access_token as string;
  }
};

describe('a signing key that has leaked', () => {
  it('is withdrawn: its tokens are replaced and revoked, forged ones refused, on every replica (T119)', async () => {
    const subject_token = await world.assertion('support-agent');
    const good = { subject_token, request_id: 'held' };
    const token = (await ask(good)).body.access_token;
    const { kid = '' } = decodeProtectedHeader(token);
    const leaked = await leakOf(kid);
    let passed = 0;
    const now = () => Date.now() + passed;
    // Only what the keys say: an API that follows the revocations as well refuses the leaked key's tokens sooner.
    const verifier = createVerifier({
      issuer: world.issuer,
      audience: READ.audience,
      now,
      revocations: NOTHING_REVOKED,
    });
    const check = (presented: string) => verifier.verify(`Bearer ${presented}`, { scope: READ.scope });
    const forge = () => signJws(leaked, 'at+jwt', { ...decodeJwt(token), jti: 'forged' });
    expect(await check(token)).toHaveProperty('token');
    expect(await check(forge())).toHaveProperty('token');

    const { printed } = await run(['withdraw', kid, '--reason', 'found in a repository', '--json']);
    const { successor, tokens } = JSON.parse(printed);
    expect(tokens).toBe(1);
    const replaced = await Promise.all(
      world.brokers.map(({ port }) => askUntilSigned(successor, good, port)),
    );
    expect(new Set(replaced.map((one) => decodeJwt(one).jti)).size).toBe(1);
    const { keys: published } = (await world.get('/jwks')).body;
    expect(published.map((key: { kid: string }) => key.kid)).toEqual([successor]);
    // An API that read the JWKS just before looks an unknown key up after half a minute.
    passed = 31_000;
    expect(await check(replaced[0] ?? '')).toHaveProperty('token');
    expect(await check(token)).toHaveProperty('refusal');
    expect(await check(forge())).toHaveProperty('refusal');

    const statesOf = async () =>
      (
        await sql<{ told: string }>`
          select distinct state || case when exists (
            select from revocations r where r.kind = 'key' and r.subject = t.kid) then ', told' else '' end as told
          from tokens t where kid = ${kid}`.execute(world.database.db)
      ).rows;
    await expect.poll(statesOf).toEqual([{ told: 'REVOKED, told' }]);
  });

  it('is named by the command, or nothing happens', async () => {
    const { code, printed } = await run(['withdraw', 'no-such-key', '--reason', 'why']);
    expect([code, printed]).toEqual([1, 'no-such-key is no key of this database: see "keys list"\n']);
    await expect(run(['withdraw', '--reason', 'why'])).rejects.toThrow('say list, rotate, withdraw KID');
    await expect(run(['withdraw', 'x'])).rejects.toThrow('--reason is missing');
  });
});

describe('the key encryption key', () => {
  it('is replaced under running brokers', async () => {
    const COUNTERSIGN_KEY_ENCRYPTION_KEY = Buffer.alloc(32, 7).toString('base64');
    const reencrypt = ['reencrypt', '--reason', 'a yearly drill'];
    await expect(run(reencrypt)).rejects.toThrow('COUNTERSIGN_KEY_ENCRYPTION_KEY_PREVIOUS is not set');
    const { code, printed } = await run(reencrypt, {
      COUNTERSIGN_KEY_ENCRYPTION_KEY,
      COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: '',
      COUNTERSIGN_KEY_ENCRYPTION_KEY_PREVIOUS: loadKeyEncryptionKeys(world.settings)[0].toString('base64'),
    });
    expect([code, printed]).toEqual([0, expect.stringContaining('keys are encrypted with the new key')]);
    expect(
      (await ask({ subject_token: await world.assertion('support-agent'), request_id: 'after' })).status,
    ).toBe(200);
    const wrong = run(['rotate', '--reason', 'why']);
    await expect(wrong).rejects.toThrow('encrypted with another key');
  });
});
