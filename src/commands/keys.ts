/** `countersign keys`: the keys that sign access tokens, and the next one. */
import { loadKeyEncryptionKey } from '../config.ts';
import type { Database } from '../storage/database.ts';
import { PUBLISHED_AFTER_SECONDS, PUBLISHED_BEFORE_SECONDS, placeKeys } from '../tokens/key-ring.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../tokens/signing-key.ts';
import { changeKeys, createTokenKey, decryptStored, findTokenKeys } from '../tokens/stored-keys.ts';
import { CHANGE_OPTIONS, CHANGE_USAGE, parseChangeNote } from './change-note.ts';
import { type Command, type CommandIo, parseArguments, UsageError } from './command.ts';
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
  keyEncryptionKey: Buffer,
  { algorithm, now: soon, ...note }: Rotation,
) =>
  changeKeys(database, async (trx) => {
    const { keys, now } = await findTokenKeys(trx);
    const ofKind = keys.filter((key) => key.algorithm === algorithm);
    for (const { kid, privateKeyEncrypted: encrypted } of ofKind)
      if (encrypted !== null) decryptStored(keyEncryptionKey, { kid, encrypted }, 'token');
    const waiting = ofKind.find(({ activeFrom }) => activeFrom > now);
    if (waiting !== undefined && !soon) return { key: waiting, made: false };
    const takeover = soon ? 'soon' : 'in time';
    return {
      key: await createTokenKey(trx, keyEncryptionKey, { algorithm, takeover, ...note }),
      made: true,
    };
  });

export const keys: Command = {
  name: 'keys',
  summary: 'list the signing keys, or have the next one made',
  usage: `keys list [--json]
       countersign keys rotate --reason TEXT [--as TENANT/OBJECT] [--alg ES256|RS256] [--now] [--json]

list    the keys that sign access tokens: next, active, retiring, gone.
rotate  makes a key that takes over in ${PUBLISHED_BEFORE_SECONDS / 60} minutes; until then it is published, so that every API knows it.
        The one before it stays published ${PUBLISHED_AFTER_SECONDS / 60} minutes longer, then its private half is erased.
        Needs COUNTERSIGN_KEY_ENCRYPTION_KEY.

${CHANGE_USAGE}
  --alg ALG           ES256 (default) or RS256
  --now               takes over in half a minute, for a key that may have leaked. APIs that look unknown keys up, as
                      resource-server does, go on; others refuse tokens until they read the JWKS again
  --json              print as JSON`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, { options: OPTIONS, allowPositionals: true });
    const [action, ...rest] = positionals;
    if (rest.length > 0 || (action !== 'list' && action !== 'rotate'))
      throw new UsageError('say list or rotate');
    if (action === 'list') {
      await list(io, values.json);
      return 0;
    }
    const rotation = { algorithm: algorithmNamed(values.alg), now: values.now, ...parseChangeNote(values) };
    const keyEncryptionKey = loadKeyEncryptionKey(io.environment);
    const { key, made } = await withDatabase(io, (database) => rotate(database, keyEncryptionKey, rotation));
    const activeFrom = key.activeFrom.toISOString();
    if (values.json)
      io.write(
        `${JSON.stringify({ kid: key.kid, algorithm: key.algorithm, active_from: activeFrom, made })}\n`,
      );
    else io.write(`${key.kid} ${made ? 'was made' : 'was waiting already'} and signs from ${activeFrom}\n`);
    return 0;
  },
};
