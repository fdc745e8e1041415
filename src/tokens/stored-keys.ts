/** Keys as the database holds them: one writer at a time makes them, times are the database's, private halves encrypted. */
import { randomBytes } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import { decryptKey, encryptKey, type KeyEncryptionKeys } from './key-encryption.ts';
import { type DatedKey, PUBLISHED_AFTER_SECONDS, PUBLISHED_BEFORE_SECONDS } from './key-ring.ts';
import { makeSigningKey, type SigningAlgorithm } from './signing-key.ts';

export type StoredKey = DatedKey & {
  readonly createdAt: Date;
  /** When it was withdrawn before its time; null: it was not. */
  readonly withdrawnAt: Date | null;
  /** Null once it was erased. */
  readonly privateKeyEncrypted: Buffer | null;
};

/** Who has a key made, and why; for the trail. */
export type KeyNote = { readonly reason: string; readonly appliedBy: string };

/**
 * A key made to sign soonest. Replicas need a second to publish it, and an API that has read the JWKS just before that
 * looks unknown keys up again after half a minute: nobody then meets a key that he cannot find.
 */
const SOON_SECONDS = 35;
/** Any fixed number: whoever makes keys does so one after the other. */
const KEY_CREATION_LOCK = 0x6b657973;

/** Runs alone among all who make or erase keys, in one transaction. */
export const changeKeys = <T>(database: Database, work: (trx: Kysely<Tables>) => Promise<T>): Promise<T> =>
  database.db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${KEY_CREATION_LOCK})`.execute(trx);
    return work(trx);
  });

/** Every key that ever signed tokens, the oldest first, and the database's clock. */
export const findTokenKeys = async (
  db: Kysely<Tables>,
): Promise<{ readonly keys: readonly StoredKey[]; readonly now: Date }> => {
  const { rows } = await sql<StoredKey & { readonly now: Date }>`
    select k.kid, k.algorithm, k.active_from as "activeFrom", k.created_at as "createdAt", k.withdrawn_at as "withdrawnAt",
      k.private_key_encrypted as "privateKeyEncrypted", k.private_key_encrypted is null as erased, clock.now
    from (select now() as now) as clock left join signing_keys k on k.purpose = 'token'
    order by k.active_from, k.kid`.execute(db);
  return { keys: rows.filter(({ kid }) => kid !== null), now: rows[0]?.now ?? new Date() };
};

export type KeyPurpose = 'token' | 'console';

/** What binds an encrypted private half to its row. */
export const contextOf = (purpose: KeyPurpose, kid: string): string => `${purpose}:${kid}`;

/** The private half. Throws with what to do if it was encrypted with another key. */
export const decryptStored = (
  keyEncryptionKeys: KeyEncryptionKeys,
  { kid, encrypted }: { readonly kid: string; readonly encrypted: Buffer },
  purpose: KeyPurpose,
): Buffer => {
  try {
    return decryptKey(keyEncryptionKeys, encrypted, contextOf(purpose, kid));
  } catch (cause) {
    throw new Error(
      'the signing keys in the database were encrypted with another key: set COUNTERSIGN_KEY_ENCRYPTION_KEY to the one this database works with, or COUNTERSIGN_KEY_ENCRYPTION_KEY_PREVIOUS if it is to be replaced',
      { cause },
    );
  }
};

/** When a new key is to sign: the first of its algorithm at once, one that replaces another in time, or soon. */
export type Takeover = 'at once' | 'in time' | 'soon';

const DELAY_SECONDS: Readonly<Record<Takeover, number>> = {
  'at once': 0,
  'in time': PUBLISHED_BEFORE_SECONDS,
  soon: SOON_SECONDS,
};

/** Makes a key within `changeKeys`; it signs from the time that is answered. */
export const createTokenKey = async (
  trx: Kysely<Tables>,
  keyEncryptionKeys: KeyEncryptionKeys,
  making: KeyNote & { readonly algorithm: SigningAlgorithm; readonly takeover: Takeover },
): Promise<DatedKey> => {
  const { algorithm, takeover, reason, appliedBy } = making;
  const { kid, der } = await makeSigningKey(algorithm);
  const encrypted = encryptKey(keyEncryptionKeys, der, contextOf('token', kid));
  const { rows } = await sql<{ activeFrom: Date }>`
    insert into signing_keys (kid, purpose, algorithm, private_key_encrypted, active_from)
    values (${kid}, 'token', ${algorithm}, ${encrypted}, now() + make_interval(secs => ${DELAY_SECONDS[takeover]}))
    returning active_from as "activeFrom"`.execute(trx);
  const activeFrom = rows[0]?.activeFrom ?? new Date();
  await appendEvents(trx, [
    {
      name: 'key.created',
      data: {
        kid,
        purpose: 'token',
        algorithm,
        active_from: activeFrom.toISOString(),
        reason,
        applied_by: appliedBy,
      },
    },
  ]);
  return { kid, algorithm, activeFrom, erased: false };
};

/** Erases the private halves of keys whose last token is over. Returns their names. */
export const erasePrivateKeys = (database: Database): Promise<readonly string[]> =>
  changeKeys(database, async (trx) => {
    const { rows } = await sql<{ kid: string }>`
      update signing_keys k set private_key_encrypted = null
      where k.purpose = 'token' and k.private_key_encrypted is not null and exists (
        select from signing_keys successor
        where successor.purpose = 'token' and successor.algorithm = k.algorithm
          and successor.private_key_encrypted is not null
          and (successor.active_from, successor.kid) > (k.active_from, k.kid)
          and successor.active_from <= now() - make_interval(secs => ${PUBLISHED_AFTER_SECONDS}))
      returning k.kid`.execute(trx);
    const erased = rows.map(({ kid }) => kid);
    await appendEvents(
      trx,
      erased.map((kid) => ({ name: 'key.erased', data: { kid, purpose: 'token' } })),
    );
    return erased;
  });

/** The console's secret of 32 bytes, made at the first call. */
export const openConsoleKey = (database: Database, keyEncryptionKeys: KeyEncryptionKeys): Promise<Buffer> =>
  changeKeys(database, async (trx) => {
    const found = await trx
      .selectFrom('signing_keys')
      .select(['kid', 'private_key_encrypted'])
      .where('purpose', '=', 'console')
      .orderBy('created_at', 'desc')
      .executeTakeFirst();
    if (found?.private_key_encrypted)
      return decryptStored(
        keyEncryptionKeys,
        { kid: found.kid, encrypted: found.private_key_encrypted },
        'console',
      );
    const kid = `console-${randomBytes(8).toString('hex')}`;
    const secret = randomBytes(32);
    await trx
      .insertInto('signing_keys')
      .values({
        kid,
        purpose: 'console',
        algorithm: 'HS256',
        private_key_encrypted: encryptKey(keyEncryptionKeys, secret, contextOf('console', kid)),
      })
      .execute();
    await appendEvents(trx, [{ name: 'key.created', data: { kid, purpose: 'console', algorithm: 'HS256' } }]);
    return secret;
  });
