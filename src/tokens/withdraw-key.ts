/**
 * Withdrawing a signing key that has leaked. Its private half is erased and APIs are told of the key, both in one
 * commit: from then on `/introspect` says no to all that it signed and APIs that follow the revocations refuse it, what is
 * forged as well, in one line however much that is. The key is gone from the JWKS of every replica within a second, and
 * from what renders tokens again. If it was the key that signs, another takes over at once.
 *
 * Its tokens are marked and told of after that, in batches: by the command, and by each replica for an hour, whoever
 * died and whatever a replica signed before it had looked.
 */
import { sql } from 'kysely';
import { appendEvents } from '../audit/append.ts';
import { eventRows, eventValues } from '../audit/event.ts';
import { logRevocations, mayBeTaken } from '../revocation/revocation-log.ts';
import type { Database, Statement } from '../storage/database.ts';
import type { KeyEncryptionKeys } from './key-encryption.ts';
import { type DatedKey, placeKeys } from './key-ring.ts';
import { changeKeys, createTokenKey, findTokenKeys, type KeyNote, type StoredKey } from './stored-keys.ts';

export type Withdrawn = {
  /** How many tokens this call has revoked; replicas may have revoked others meanwhile. */
  readonly tokens: number;
  /** The key that signs instead; null: the withdrawn one did not sign. */
  readonly successor: DatedKey | null;
};

/** For how long APIs refuse the key: longer than any of them goes on with a JWKS that it cannot read anew. */
const REFUSED_MS = 24 * 3_600_000;
/** Longer than a replica signs without having looked at the keys, with the life of what it signed last. */
const MARKED_MS = 3_600_000;
/** Tokens revoked by one statement. */
const BATCH = 500;

type Signed = {
  readonly jti: string;
  readonly grantId: string;
  readonly requestId: string;
  readonly agentId: string;
  /** As text, because a Date has lost its microseconds. */
  readonly expiresAt: string;
};

/** What the key signed and some API may still take, from a place on: each batch goes on behind the one before. */
const FIND_SIGNED: Statement = {
  name: 'find-signed',
  text: `
select t.jti, t.grant_id as "grantId", g.request_id as "requestId", g.agent_id as "agentId",
  t.expires_at::text as "expiresAt"
from tokens t join grants g on g.id = t.grant_id
where t.kid = $1 and t.state <> 'REVOKED' and ${mayBeTaken('t')} and (t.expires_at, t.jti) > ($2::timestamptz, $3)
order by t.expires_at, t.jti limit ${BATCH}`,
};

/**
 * Whoever holds a token's row at this moment rotates or revokes it: waiting for him while others wait for this batch could
 * close a circle, and the next look finds what is left.
 */
const REVOKE_SIGNED: Statement = {
  name: 'revoke-signed',
  text: `with held as (
  select t.jti from tokens t where t.jti = any($1::text[]) and t.state <> 'REVOKED' for update skip locked
), revoked as (
  update tokens t set state = 'REVOKED' from held where t.jti = held.jti returning t.jti
), told as (
  insert into audit_events (name, request_id, agent_id, body)
  select event.name, event.request_id, event.agent_id, event.body
  from unnest($1::text[]) with ordinality as listed (jti, position)
  join revoked using (jti) join ${eventRows(2)} using (position)
) select jti from revoked`,
};

/** Revokes what the key signed and some API may still take. Returns how many tokens. Throws `DatabaseUnavailable`. */
export const revokeSignedBy = async (database: Database, kid: string): Promise<number> => {
  let revoked = 0;
  let last = { expiresAt: '-infinity', jti: '' };
  for (;;) {
    const signed = await database.query<Signed>(FIND_SIGNED, [kid, last.expiresAt, last.jti]);
    const end = signed.at(-1);
    if (end === undefined) return revoked;
    last = end;
    const events = signed.map(
      ({ jti, grantId, requestId, agentId }) =>
        ({
          name: 'token.revoked',
          requestId,
          agentId,
          data: { jti, grant_id: grantId, by: 'keys', cause: `its signing key ${kid} was withdrawn` },
        }) as const,
    );
    const jtis = signed.map(({ jti }) => jti);
    revoked += (await database.query(REVOKE_SIGNED, [jtis, ...eventValues(events, new Date())])).length;
  }
};

/** The keys whose tokens may still be unmarked. */
export const lateWithdrawn = (keys: readonly StoredKey[], now: Date): readonly string[] =>
  keys
    .filter(({ withdrawnAt }) => withdrawnAt !== null && now.getTime() - withdrawnAt.getTime() < MARKED_MS)
    .map(({ kid }) => kid);

/** What is one commit: the key is gone, and its successor there. */
const withdraw = (
  database: Database,
  keyEncryptionKeys: KeyEncryptionKeys,
  { kid, reason, appliedBy }: KeyNote & { readonly kid: string },
): Promise<Pick<Withdrawn, 'successor'> | 'unknown' | 'gone'> =>
  changeKeys(database, async (trx) => {
    const { keys, now } = await findTokenKeys(trx);
    const placed = placeKeys(keys, now).find(({ key }) => key.kid === kid);
    if (placed === undefined) return 'unknown';
    const { key, state } = placed;
    if (key.erased) return 'gone';
    await sql`update signing_keys set private_key_encrypted = null, withdrawn_at = ${now} where kid = ${kid}`.execute(
      trx,
    );
    const successor =
      state === 'active'
        ? await createTokenKey(trx, keyEncryptionKeys, {
            algorithm: key.algorithm,
            takeover: 'at once',
            reason: 'the key before it was withdrawn',
            appliedBy,
          })
        : null;
    await appendEvents(trx, [
      { name: 'key.withdrawn', data: { kid, purpose: 'token', reason, applied_by: appliedBy } },
    ]);
    const until = new Date(now.getTime() + REFUSED_MS);
    await logRevocations(trx, [{ kind: 'key', subject: kid, until }]);
    return { successor };
  });

/**
 * Withdraws the key, then revokes what it signed. `unknown`: there is no such key; `gone`: it is erased already. Throws
 * `DatabaseUnavailable`: nothing was stored for certain, and what was is finished by the replicas.
 */
export const withdrawKey = async (
  database: Database,
  keyEncryptionKeys: KeyEncryptionKeys,
  note: KeyNote & { readonly kid: string },
): Promise<Withdrawn | 'unknown' | 'gone'> => {
  const done = await withdraw(database, keyEncryptionKeys, note);
  if (done === 'unknown' || done === 'gone') return done;
  return { ...done, tokens: await revokeSignedBy(database, note.kid) };
};
