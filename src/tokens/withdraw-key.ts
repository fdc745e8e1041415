/**
 * Withdrawing a signing key that has leaked. Its private half is erased, with which it is gone: from the JWKS of every
 * replica within a second, and from what renders tokens again. What it signed and is still good is revoked and told to
 * the APIs in the same transaction, and once more by each replica when it has let go of the key, because it may have
 * signed until then. If it was the key that signs, another takes over at once. APIs meet that one by its
 * first token, read the JWKS anew, and from then on refuse whatever is forged with the leaked one.
 */
import { type Kysely, sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import { logRevocations, mayBeTaken } from '../revocation/revocation-log.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import type { KeyEncryptionKeys } from './key-encryption.ts';
import { type DatedKey, placeKeys } from './key-ring.ts';
import { changeKeys, createTokenKey, findTokenKeys, type KeyNote } from './stored-keys.ts';

export type Withdrawn = {
  /** How many tokens were revoked. */
  readonly tokens: number;
  /** The key that signs instead; null: the withdrawn one did not sign. */
  readonly successor: DatedKey | null;
};

/** Every token there is may have to be looked at; worth a wait that an exchange is not. */
const TIMEOUT = '60s';

/** Revokes what the key signed and is still good, and tells the APIs. Returns how many tokens. */
export const revokeSignedBy = async (trx: Kysely<Tables>, kid: string): Promise<number> => {
  await sql`set local statement_timeout = ${sql.lit(TIMEOUT)}`.execute(trx);
  const { rows } = await sql<{ jti: string; until: Date }>`
    update tokens t set state = 'REVOKED'
    where t.kid = ${kid} and t.state <> 'REVOKED' and ${sql.raw(mayBeTaken('t'))}
    returning t.jti, t.expires_at as until`.execute(trx);
  await logRevocations(
    trx,
    rows.map(({ jti, until }) => ({ kind: 'token', subject: jti, until })),
  );
  return rows.length;
};

/** `unknown`: there is no such key; `gone`: it is erased already. */
export const withdrawKey = (
  database: Database,
  keyEncryptionKeys: KeyEncryptionKeys,
  { kid, reason, appliedBy }: KeyNote & { readonly kid: string },
): Promise<Withdrawn | 'unknown' | 'gone'> =>
  changeKeys(database, async (trx) => {
    const { keys, now } = await findTokenKeys(trx);
    const placed = placeKeys(keys, now).find(({ key }) => key.kid === kid);
    if (placed === undefined) return 'unknown';
    const { key, state } = placed;
    if (key.erased) return 'gone';
    await sql`update signing_keys set private_key_encrypted = null where kid = ${kid}`.execute(trx);
    const successor =
      state === 'active'
        ? await createTokenKey(trx, keyEncryptionKeys, {
            algorithm: key.algorithm,
            takeover: 'at once',
            reason: 'the key before it was withdrawn',
            appliedBy,
          })
        : null;
    const tokens = await revokeSignedBy(trx, kid);
    await appendEvents(trx, [
      { name: 'key.withdrawn', data: { kid, purpose: 'token', tokens, reason, applied_by: appliedBy } },
    ]);
    return { tokens, successor };
  });
