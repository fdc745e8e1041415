/** `countersign keys`: the keys that sign access tokens, the next one, and what encrypts them. */
import { loadKeyEncryptionKeys } from '../config.ts';
import type { Database } from '../storage/database.ts';
import type { KeyEncryptionKeys } from '../tokens/key-encryption.ts';
import { PUBLISHED_AFTER_SECONDS, PUBLISHED_BEFORE_SECONDS, placeKeys } from '../tokens/key-ring.ts';
import { reencryptKeys } from '../tokens/reencrypt-keys.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../tokens/signing-key.ts';
import {
  changeKeys,
  createTokenKey,
  decryptStored,
  findTokenKeys,
  type KeyNote,
} from '../tokens/stored-keys.ts';
import { withdrawKey } from '../tokens/withdraw-key.ts';
import { CHANGE_OPTIONS, CHANGE_USAGE, parseChangeNote } from './change-note.ts';
import { type Command, type CommandIo, type ExitCode, parseArguments, UsageError } from './command.ts';
import { withDatabase } from './with-database.ts';

const OPTIONS = {
  ...CHANGE_OPTIONS,
  alg: { type: 'string', default: 'ES256' },
  now: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

const list = async (io: CommandIo, json: boolean): Promise<void> => {
  const { keys, now } = await withDatabase(io, ({ db }) => findTokenKeys(db));
  const items = placeKeys(keys, now).map(({ key, state, activeUntil }) => ({
    kid: key.kid,
    algorithm: key.algorithm,
    state,
    created_at: key.createdAt.toISOString(),
    active_from: key.activeFrom.toISOString(),
    active_until: activeUntil?.toISOString() ?? null,
    erased: key.privateKeyEncrypted === null,
  }));
  if (json) return io.write(`${JSON.stringify({ items })}\n`);
  if (items.length === 0) io.write('no key was made yet: the first start of a broker makes one\n');
  for (const { kid, algorithm, state, active_from, active_until } of items)
    io.write(
      `${state.padEnd(8)} ${algorithm} ${kid} signs from ${active_from} to ${active_until ?? 'the next'}\n`,
    );
};

const algorithmNamed = (name: string): SigningAlgorithm => {
  const algorithm = SIGNING_ALGORITHMS.find((known) => known === name);
  if (algorithm === undefined) throw new UsageError(`--alg must be ${SIGNING_ALGORITHMS.join(' or ')}`);
  return algorithm;
};

type Rotation = {
  readonly algorithm: SigningAlgorithm;
  readonly now: boolean;
  readonly reason: string;
  readonly appliedBy: string;
};

/** The key that takes over: one that waits for it already, or a new one. */
const rotate = async (
  database: Database,
  keyEncryptionKeys: KeyEncryptionKeys,
  { algorithm, now: soon, ...note }: Rotation,
) =>
  changeKeys(database, async (trx) => {
    const { keys, now } = await findTokenKeys(trx);
    const ofKind = keys.filter((key) => key.algorithm === algorithm);
    for (const { kid, privateKeyEncrypted: encrypted } of ofKind)
      if (encrypted !== null) decryptStored(keyEncryptionKeys, { kid, encrypted }, 'token');
    const waiting = ofKind.find(({ activeFrom }) => activeFrom > now);
    if (waiting !== undefined && !soon) return { key: waiting, made: false };
    const takeover = soon ? 'soon' : 'in time';
    return {
      key: await createTokenKey(trx, keyEncryptionKeys, { algorithm, takeover, ...note }),
      made: true,
    };
  });

const withdraw = async (
  io: CommandIo,
  note: KeyNote & { readonly kid: string },
  json: boolean,
): Promise<ExitCode> => {
  const keyEncryptionKeys = loadKeyEncryptionKeys(io.environment);
  const done = await withDatabase(io, (database) => withdrawKey(database, keyEncryptionKeys, note));
  if (done === 'unknown' || done === 'gone') {
    const problem =
      done === 'gone'
        ? 'is erased already: it signs nothing, and what it signed is refused'
        : 'is no key of this database: see "keys list"';
    io.writeError(`${note.kid} ${problem}\n`);
    return 1;
  }
  const { tokens, successor } = done;
  if (json) io.write(`${JSON.stringify({ kid: note.kid, tokens, successor: successor?.kid ?? null })}\n`);
  else
    io.write(
      `${note.kid} is withdrawn, ${tokens} of its tokens are revoked${successor === null ? '' : `; ${successor.kid} signs now`}\n`,
    );
  return 0;
};

const reencrypt = async (io: CommandIo, note: KeyNote, json: boolean): Promise<ExitCode> => {
  const keyEncryptionKeys = loadKeyEncryptionKeys(io.environment);
  if (keyEncryptionKeys.length === 1)
    throw new UsageError(
      'COUNTERSIGN_KEY_ENCRYPTION_KEY_PREVIOUS is not set: give the key that COUNTERSIGN_KEY_ENCRYPTION_KEY replaces',
    );
  const kids = await withDatabase(io, (database) => reencryptKeys(database, keyEncryptionKeys, note));
  if (json) io.write(`${JSON.stringify({ kids })}\n`);
  else
    io.write(
      `${kids.length} keys are encrypted with the new key: take COUNTERSIGN_KEY_ENCRYPTION_KEY_PREVIOUS away from the brokers\n`,
    );
  return 0;
};

const ACTIONS = ['list', 'rotate', 'withdraw', 'reencrypt'] as const;

export const keys: Command = {
  name: 'keys',
  summary: 'list the signing keys, have the next one made, withdraw one, encrypt them anew',
  usage: `keys list [--json]
       countersign keys rotate --reason TEXT [--as TENANT/OBJECT] [--alg ES256|RS256] [--now] [--json]
       countersign keys withdraw KID --reason TEXT [--as TENANT/OBJECT] [--json]
       countersign keys reencrypt --reason TEXT [--as TENANT/OBJECT] [--json]

list    the keys that sign access tokens: next, active, retiring, gone.
rotate  makes a key that takes over in ${PUBLISHED_BEFORE_SECONDS / 60} minutes; until then it is published, so that every API knows it.
        The one before it stays published ${PUBLISHED_AFTER_SECONDS / 60} minutes longer, then its private half is erased.
withdraw   for a key that has leaked: it leaves the JWKS and signs no more within a second, and a new one signs at once if it
        was the one that signs. APIs that follow the revocations, as resource-server does, refuse what it signed and
        what is forged with it at once, others once they read the JWKS again. Marking what it signed follows; brokers go
        on with it if this command is cut off. A failure says nothing was stored for certain: repeat it.
reencrypt  encrypts all keys with COUNTERSIGN_KEY_ENCRYPTION_KEY that were encrypted with
        COUNTERSIGN_KEY_ENCRYPTION_KEY_PREVIOUS.
All but list need COUNTERSIGN_KEY_ENCRYPTION_KEY.

${CHANGE_USAGE}
  --alg ALG           ES256 (default) or RS256
  --now               takes over in half a minute. APIs that look unknown keys up, as
                      resource-server does, go on; others refuse tokens until they read the JWKS again
  --json              print as JSON`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, { options: OPTIONS, allowPositionals: true });
    const [action, kid, ...rest] = positionals;
    const takesKid = action === 'withdraw';
    if (rest.length > 0 || (kid !== undefined) !== takesKid || !ACTIONS.some((known) => known === action))
      throw new UsageError('say list, rotate, withdraw KID or reencrypt');
    if (action === 'list') {
      await list(io, values.json);
      return 0;
    }
    if (kid !== undefined) return withdraw(io, { kid, ...parseChangeNote(values) }, values.json);
    if (action === 'reencrypt') return reencrypt(io, parseChangeNote(values), values.json);
    const rotation = { algorithm: algorithmNamed(values.alg), now: values.now, ...parseChangeNote(values) };
    const keys = loadKeyEncryptionKeys(io.environment);
    const { key, made } = await withDatabase(io, (database) => rotate(database, keys, rotation));
    const activeFrom = key.activeFrom.toISOString();
    if (values.json)
      io.write(
        `${JSON.stringify({ kid: key.kid, algorithm: key.algorithm, active_from: activeFrom, made })}\n`,
      );
    else io.write(`${key.kid} ${made ? 'was made' : 'was waiting already'} and signs from ${activeFrom}\n`);
    return 0;
  },
};
