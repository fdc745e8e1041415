/**
 * The broker's keys. Each is made once, by whichever replica needs it first, under a lock; every other replica and
 * every restart finds it in the database, encrypted. Without the right key encryption key the broker does not start.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import { joseSignature } from './ecdsa-signature.ts';
import { decryptKey, encryptKey } from './key-encryption.ts';

/** Public half as the JWKS shows it. */
export type PublicJwk = JWK & { readonly kid: string; readonly alg: string; readonly use: 'sig' };

export type SigningKey = {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly publicJwk: PublicJwk;
  readonly privateKey: KeyObject;
  /** ES256 over `data`, the 64 bytes r and s of RFC 7518 section 3.4. */
  readonly sign: (data: string) => Buffer;
};

export type SigningKeys = {
  /** Signs access tokens. */
  readonly token: SigningKey;
  /** Keys the HMAC of the console's action tokens, 32 bytes. */
  readonly console: Buffer;
};

type KeyRow = { kid: string; public_jwk: unknown; private_key_encrypted: Buffer };
type NewKey = { kid: string; algorithm: string; publicJwk: PublicJwk | null; secret: Buffer };
type Purpose = 'token' | 'console';

/** Any fixed number: replicas that start together make a key one after the other. */
const KEY_CREATION_LOCK = 0x6b657973;

const newTokenKey = async (): Promise<NewKey> => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' });
  const kid = await calculateJwkThumbprint(jwk as JWK);
  return {
    kid,
    algorithm: 'ES256',
    publicJwk: { ...(jwk as JWK), kid, alg: 'ES256', use: 'sig' },
    secret: privateKey.export({ format: 'der', type: 'pkcs8' }),
  };
};

const newConsoleKey = async (): Promise<NewKey> => ({
  kid: `console-${randomBytes(8).toString('hex')}`,
  algorithm: 'HS256',
  publicJwk: null,
  secret: randomBytes(32),
});

const MAKERS = { token: newTokenKey, console: newConsoleKey } as const;

const findKey = (db: Kysely<Tables>, purpose: Purpose): Promise<KeyRow | undefined> =>
  db
    .selectFrom('signing_keys')
    .select(['kid', 'public_jwk', 'private_key_encrypted'])
    .where('purpose', '=', purpose)
    .orderBy('created_at', 'desc')
    .executeTakeFirst();

const createKey = async (db: Kysely<Tables>, purpose: Purpose, keyEncryptionKey: Buffer): Promise<KeyRow> => {
  const key = await MAKERS[purpose]();
  const row = {
    kid: key.kid,
    public_jwk: key.publicJwk,
    private_key_encrypted: encryptKey(keyEncryptionKey, key.secret, `${purpose}:${key.kid}`),
  };
  await db
    .insertInto('signing_keys')
    .values({ ...row, public_jwk: JSON.stringify(row.public_jwk), purpose, algorithm: key.algorithm })
    .execute();
  await appendEvents(db, [
    { name: 'key.created', data: { kid: key.kid, purpose, algorithm: key.algorithm } },
  ]);
  return row;
};

const decrypt = (row: KeyRow, purpose: Purpose, keyEncryptionKey: Buffer): Buffer => {
  try {
    return decryptKey(keyEncryptionKey, row.private_key_encrypted, `${purpose}:${row.kid}`);
  } catch (cause) {
    throw new Error(
      'the signing keys in the database were encrypted with another key: set COUNTERSIGN_KEY_ENCRYPTION_KEY to the one this database was first started with',
      { cause },
    );
  }
};

/** What the JWKS shows is derived from the private key: a row that was tampered with cannot plant another one. */
const tokenKey = (row: KeyRow, der: Buffer): SigningKey => {
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as JWK;
  return {
    kid: row.kid,
    publicJwk: { ...jwk, kid: row.kid, alg: 'ES256', use: 'sig' },
    privateKey,
    sign: (data) => joseSignature(sign('sha256', Buffer.from(data), privateKey)),
  };
};

/** Finds the broker's keys, making those that do not exist yet. */
export const openSigningKeys = (database: Database, keyEncryptionKey: Buffer): Promise<SigningKeys> =>
  database.db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${KEY_CREATION_LOCK})`.execute(trx);
    const open = async (purpose: Purpose) => {
      const row = (await findKey(trx, purpose)) ?? (await createKey(trx, purpose, keyEncryptionKey));
      return { row, secret: decrypt(row, purpose, keyEncryptionKey) };
    };
    const token = await open('token');
    const consoleKey = await open('console');
    return { token: tokenKey(token.row, token.secret), console: consoleKey.secret };
  });
