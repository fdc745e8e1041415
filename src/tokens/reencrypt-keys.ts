/**
 * Replacing the key encryption key: every private half that is stored is decrypted, with the new key or the one before,
 * and encrypted with the new one, all in one transaction. Brokers that are given both keys read either form meanwhile.
 */
import { sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import type { Database } from '../storage/database.ts';
import { encryptKey, type KeyEncryptionKeys } from './key-encryption.ts';
import { changeKeys, contextOf, decryptStored, type KeyNote, type KeyPurpose } from './stored-keys.ts';

type StoredRow = { readonly kid: string; readonly purpose: KeyPurpose; readonly encrypted: Buffer };

/** Returns the names of the keys. Throws what to do, and changes none, if one of them opens with neither key. */
export const reencryptKeys = (
  database: Database,
  keyEncryptionKeys: KeyEncryptionKeys,
  { reason, appliedBy }: KeyNote,
): Promise<readonly string[]> =>
  changeKeys(database, async (trx) => {
    const { rows } = await sql<StoredRow>`
      select kid, purpose, private_key_encrypted as encrypted from signing_keys
      where private_key_encrypted is not null order by kid for update`.execute(trx);
    for (const { kid, purpose, encrypted } of rows) {
      const secret = decryptStored(keyEncryptionKeys, { kid, encrypted }, purpose);
      const sealed = encryptKey(keyEncryptionKeys, secret, contextOf(purpose, kid));
      await sql`update signing_keys set private_key_encrypted = ${sealed} where kid = ${kid}`.execute(trx);
    }
    const kids = rows.map(({ kid }) => kid);
    await appendEvents(trx, [{ name: 'key.reencrypted', data: { kids, reason, applied_by: appliedBy } }]);
    return kids;
  });
