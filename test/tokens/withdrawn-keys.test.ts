/** Keys that leaked, and a key encryption key that is replaced, on the database. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import type { KeyEncryptionKeys } from '../../src/tokens/key-encryption.ts';
import { reencryptKeys } from '../../src/tokens/reencrypt-keys.ts';
import { openSigningKeys, type SigningKeys } from '../../src/tokens/signing-keys.ts';
import { changeKeys, createTokenKey, openConsoleKey } from '../../src/tokens/stored-keys.ts';
import { withdrawKey } from '../../src/tokens/withdraw-key.ts';
import { createDatabase } from '../support/database.ts';

const NOTE = { reason: 'it leaked', appliedBy: 'test' };
const logger = pino({ enabled: false });
const oldKey = randomBytes(32);
const newKey = randomBytes(32);

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
let opened: SigningKeys[];

beforeEach(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger });
  opened = [];
});
afterEach(async () => {
  for (const keys of opened) await keys.stop();
  await database.close();
  await fresh.drop();
});

const open = async (keyEncryptionKeys: KeyEncryptionKeys = [oldKey]): Promise<SigningKeys> => {
  const keys = await openSigningKeys({
    database,
    keyEncryptionKeys,
    maxAgeSeconds: 30 * 24 * 3_600,
    needed: () => [],
    logger,
  });
  opened.push(keys);
  return keys;
};
const make = (takeover: 'in time' | 'at once'): Promise<{ readonly kid: string }> =>
  changeKeys(database, (trx) =>
    createTokenKey(trx, [oldKey], { algorithm: 'ES256', takeover, reason: 'test', appliedBy: 'test' }),
  );
const published = (keys: SigningKeys): string[] => keys.published().map(({ kid }) => kid);
const countOf = async (name: string): Promise<unknown[]> =>
  (await sql`select body from audit_events where name = ${name}`.execute(database.db)).rows;

describe('a key that is withdrawn', () => {
  it('is published, signs and renders no more, and another signs at once', async () => {
    const keys = await open();
    const { kid } = keys.active('ES256');
    const withdrawn = await withdrawKey(database, [oldKey], { kid, ...NOTE });
    expect(withdrawn).toMatchObject({ tokens: 0, successor: { algorithm: 'ES256' } });
    await keys.look();
    const successor = keys.active('ES256').kid;
    expect(successor).not.toBe(kid);
    expect(published(keys)).toEqual([successor]);
    expect(() => keys.named(kid)).toThrow('not at hand');
    expect([keys.isGone(kid), keys.isGone(successor), keys.isGone('unheard of')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(published(await open())).toEqual([successor]);
  });

  it('is withdrawn once by all who try at a time, with one successor', async () => {
    const { kid } = (await open()).active('ES256');
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, () => withdrawKey(database, [oldKey], { kid, ...NOTE })),
    );
    expect(outcomes.filter((outcome) => outcome === 'gone')).toHaveLength(4);
    expect(await countOf('key.withdrawn')).toHaveLength(1);
    expect(await countOf('key.created')).toHaveLength(2);
  });

  it('before it ever signed leaves the one that signs alone, then and when its hour comes', async () => {
    const keys = await open();
    const { kid } = keys.active('ES256');
    const next = await make('in time');
    expect(await withdrawKey(database, [oldKey], { kid: next.kid, ...NOTE })).toEqual({
      tokens: 0,
      successor: null,
    });
    const owner = await openDatabase({ dsn: fresh.ownerDsn, logger });
    await sql`update signing_keys set active_from = active_from - interval '2 hours'`.execute(owner.db);
    await owner.close();
    await keys.look();
    expect(keys.active('ES256').kid).toBe(kid);
    expect(published(keys)).toEqual([kid]);
    expect(await countOf('key.erased')).toEqual([]);
  });

  it('leaves those that verify what other keys signed', async () => {
    const keys = await open();
    const first = keys.active('ES256').kid;
    const second = (await make('at once')).kid;
    await withdrawKey(database, [oldKey], { kid: second, ...NOTE });
    await keys.look();
    expect(published(keys)).toContain(first);
    expect(published(keys)).not.toContain(second);
    expect([first, second]).not.toContain(keys.active('ES256').kid);
  });

  it('must be one of ours', async () => {
    await open();
    expect(await withdrawKey(database, [oldKey], { kid: 'none', ...NOTE })).toBe('unknown');
  });
});

describe('a key encryption key that is replaced', () => {
  it('lets brokers with both keys work before, during and after, and with the new one alone after', async () => {
    const before = await open();
    const { kid } = before.active('ES256');
    const secret = await openConsoleKey(database, [oldKey]);
    const both = await open([newKey, oldKey]);
    expect(both.active('ES256').kid).toBe(kid);
    const [one, other] = await Promise.all([
      reencryptKeys(database, [newKey, oldKey], NOTE),
      reencryptKeys(database, [newKey, oldKey], NOTE),
    ]);
    expect(one).toHaveLength(2);
    expect(other).toEqual(one);
    for (const keys of [before, both]) {
      await keys.look();
      expect(keys.active('ES256').sign('x')).toHaveLength(64);
    }
    expect((await open([newKey])).active('ES256').kid).toBe(kid);
    expect((await openConsoleKey(database, [newKey])).equals(secret)).toBe(true);
    await expect(open([oldKey])).rejects.toThrow('COUNTERSIGN_KEY_ENCRYPTION_KEY');
    expect(await countOf('key.reencrypted')).toHaveLength(2);
  });

  it('changes nothing if one key opens with neither', async () => {
    await open();
    const rows = () => sql`select kid, private_key_encrypted from signing_keys`.execute(database.db);
    const { rows: stored } = await rows();
    const attempt = reencryptKeys(database, [newKey, randomBytes(32)], NOTE);
    await expect(attempt).rejects.toThrow('COUNTERSIGN_KEY_ENCRYPTION_KEY_PREVIOUS');
    expect((await rows()).rows).toEqual(stored);
    expect(await countOf('key.reencrypted')).toEqual([]);
  });
});
