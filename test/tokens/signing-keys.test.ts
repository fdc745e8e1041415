/** Keys of replicas on one database. Time passes in the rows. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import type { SigningAlgorithm } from '../../src/tokens/signing-key.ts';
import { openSigningKeys, type SigningKeys } from '../../src/tokens/signing-keys.ts';
import { openConsoleKey } from '../../src/tokens/stored-keys.ts';
import { createDatabase } from '../support/database.ts';

const DAY_SECONDS = 24 * 3_600;
const keyEncryptionKey = randomBytes(32);
const logger = pino({ enabled: false });

let fresh: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
let opened: SigningKeys[];
/** What APIs ask for. */
let needed: readonly SigningAlgorithm[];

beforeEach(async () => {
  fresh = await createDatabase();
  database = await openDatabase({ dsn: fresh.applicationDsn, logger });
  opened = [];
  needed = [];
});
afterEach(async () => {
  for (const keys of opened) await keys.stop();
  await database.close();
  await fresh.drop();
});

const open = async (key = keyEncryptionKey): Promise<SigningKeys> => {
  const keys = await openSigningKeys({
    database,
    keyEncryptionKeys: [key],
    maxAgeSeconds: 30 * DAY_SECONDS,
    needed: () => needed,
    logger,
  });
  opened.push(keys);
  return keys;
};

/** Makes every key older by so much. */
const age = async (seconds: number): Promise<void> => {
  const client = new pg.Client({ connectionString: fresh.ownerDsn });
  await client.connect();
  await client.query('update signing_keys set active_from = active_from - make_interval(secs => $1)', [
    seconds,
  ]);
  await client.end();
};

const rows = async () =>
  (
    await sql<{ kid: string; algorithm: string; erased: boolean }>`
      select kid, algorithm, private_key_encrypted is null as erased from signing_keys
      where purpose = 'token' order by active_from`.execute(database.db)
  ).rows;

const events = async (name: string): Promise<Record<string, unknown>[]> => {
  const { rows: told } = await sql<{ body: Buffer }>`
    select body from audit_events where name = ${name} order by position`.execute(database.db);
  return told.map(({ body }) => JSON.parse(body.toString()));
};

const published = (keys: SigningKeys): string[] => keys.published().map(({ kid }) => kid);

describe('the keys of a broker', () => {
  it('are made once by replicas that start together, and told', async () => {
    const replicas = await Promise.all([open(), open(), open()]);
    expect(await rows()).toHaveLength(1);
    expect(new Set(replicas.map((keys) => keys.active('ES256').kid)).size).toBe(1);
    expect(await events('key.created')).toMatchObject([
      { kid: replicas[0]?.active('ES256').kid, algorithm: 'ES256' },
    ]);
  });

  it('publish nothing but public members', async () => {
    const keys = await open();
    needed = ['RS256'];
    await keys.look();
    const [ec, rsa] = keys.published().toSorted((a, b) => (a.alg < b.alg ? -1 : 1));
    expect(Object.keys(ec ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(Object.keys(rsa ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  it('are unreadable with another encryption key, and the message says what to set', async () => {
    await open();
    await expect(open(randomBytes(32))).rejects.toThrow('COUNTERSIGN_KEY_ENCRYPTION_KEY');
  });

  it('have the next one made once when the newest is old, published an hour before it signs', async () => {
    const replicas = [await open(), await open()];
    const [first] = await rows();
    await age(30 * DAY_SECONDS - 3_601);
    await Promise.all(replicas.map((keys) => keys.look()));
    expect(await rows()).toHaveLength(1);
    await age(2);
    await Promise.all(replicas.map((keys) => keys.look()));
    await Promise.all(replicas.map((keys) => keys.look()));
    const [, second] = await rows();
    expect(await rows()).toHaveLength(2);
    for (const keys of replicas) {
      expect(published(keys)).toEqual([first?.kid, second?.kid]);
      expect(keys.active('ES256').kid).toBe(first?.kid);
    }
    await age(3_601);
    await Promise.all(replicas.map((keys) => keys.look()));
    for (const keys of replicas) {
      expect(published(keys)).toEqual([first?.kid, second?.kid]);
      expect(keys.active('ES256').kid).toBe(second?.kid);
      expect(keys.named(first?.kid ?? '').kid).toBe(first?.kid);
    }
  });

  it('are no more published and are erased when their last token is over', async () => {
    const keys = await open();
    const [first] = await rows();
    await age(30 * DAY_SECONDS);
    await keys.look();
    await age(3_600 + 721);
    await keys.look();
    const [old, second] = await rows();
    expect(old).toEqual({ ...first, erased: true });
    expect(second?.erased).toBe(false);
    expect(published(keys)).toEqual([second?.kid]);
    expect(() => keys.named(first?.kid ?? '')).toThrow('not at hand');
    expect(await events('key.erased')).toMatchObject([{ kid: first?.kid }]);
    expect(published(await open())).toEqual([second?.kid]);
  });

  it('sign with an algorithm once an API needs it', async () => {
    const keys = await open();
    expect(() => keys.active('RS256')).toThrow('no RS256 key signs yet');
    needed = ['ES256', 'RS256'];
    await keys.look();
    expect(keys.active('RS256').publicJwk).toMatchObject({ kty: 'RSA', alg: 'RS256' });
    expect(keys.active('ES256').publicJwk).toMatchObject({ kty: 'EC', alg: 'ES256' });
  });

  it('keep the console secret apart, the same for every replica', async () => {
    const [one, other] = await Promise.all([
      openConsoleKey(database, [keyEncryptionKey]),
      openConsoleKey(database, [keyEncryptionKey]),
    ]);
    expect(one).toHaveLength(32);
    expect(other.equals(one)).toBe(true);
    expect(published(await open())).toHaveLength(1);
  });
});
