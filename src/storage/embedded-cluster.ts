/**
 * The data directory of the embedded database and the passwords that go with it: `DIR/cluster/data` and
 * `DIR/cluster/secrets.json` (0600), made under another name and moved into place as one, so that a start that was
 * cut short leaves nothing that looks finished. Roles: `countersign_owner` owns the schema and serves migrations,
 * `countersign` owns nothing and is what the broker works with; the superuser is used by nobody.
 */
import { randomBytes } from 'node:crypto';
import {
  chown,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import {
  type Binaries,
  findBinaries,
  OTHERWISE,
  type ProcessUser,
  unprivilegedUser,
} from './embedded-binaries.ts';
import { runToEnd } from './embedded-process.ts';

export const APPLICATION_ROLE = 'countersign';
const OWNER_ROLE = 'countersign_owner';
const SUPERUSER = 'postgres';
const DATABASE = 'countersign';

const secretsSchema = z.object({
  /** Names this cluster on its server's command line, by which its process is recognised. */
  cluster: z.string().regex(/^countersign-[0-9a-f]{32}$/),
  superuserPassword: z.string().min(1),
  ownerPassword: z.string().min(1),
  applicationPassword: z.string().min(1),
});
type Secrets = z.infer<typeof secretsSchema>;

export type Cluster = {
  /** As it was configured; messages name it. */
  readonly directory: string;
  readonly data: string;
  readonly name: string;
  readonly user: ProcessUser;
  readonly binaries: Binaries;
  /** Connection strings once the server listens on `port` of the loopback. */
  readonly dsns: (port: number) => Dsns;
  /** The same by its socket, which costs both sides less and which only the owner of the data reaches; by the port where sockets do not go. */
  readonly nearestDsns: (port: number) => Dsns;
};

export type Dsns = {
  readonly ownerDsn: string;
  readonly applicationDsn: string;
  readonly superuserDsn: string;
};

/** An unfinished cluster older than this belongs to nobody any more. */
const ABANDONED_AFTER_MS = 10 * 60_000;
const UNFINISHED_PREFIX = 'unfinished-';

const newPassword = (): string => randomBytes(32).toString('base64url');

const newSecrets = (): Secrets => ({
  cluster: `countersign-${randomBytes(16).toString('hex')}`,
  superuserPassword: newPassword(),
  ownerPassword: newPassword(),
  applicationPassword: newPassword(),
});

/** One line a statement: the single-user server ends a statement at the line's end. */
const setUp = (secrets: Secrets): string => `
alter role ${SUPERUSER} password '${secrets.superuserPassword}';
create role ${OWNER_ROLE} login password '${secrets.ownerPassword}';
create role ${APPLICATION_ROLE} login password '${secrets.applicationPassword}';
create database ${DATABASE} owner ${OWNER_ROLE};
revoke all on database ${DATABASE} from public;
grant connect on database ${DATABASE} to ${APPLICATION_ROLE};
`;

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  await handle.sync().finally(() => handle.close());
};

const removeAbandoned = async (directory: string): Promise<void> => {
  for (const entry of await readdir(directory)) {
    if (!entry.startsWith(UNFINISHED_PREFIX)) continue;
    // Another start may finish with its own at this moment.
    const found = await lstat(join(directory, entry)).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS) {
      await rm(join(directory, entry), { recursive: true, force: true });
    }
  }
};

/** Makes a new cluster in `unfinished` and moves it to its place; another start may have been faster. */
const createCluster = async (directory: string): Promise<void> => {
  await removeAbandoned(directory);
  const user = await unprivilegedUser();
  const binaries = await findBinaries(user);
  const unfinished = await mkdtemp(join(directory, UNFINISHED_PREFIX));
  try {
    const data = join(unfinished, 'data');
    await mkdir(data, { mode: 0o700 });
    if (user !== null) await chown(data, user.uid, user.gid);
    const where = { cwd: data, user };
    await runToEnd(
      binaries.initdb,
      [
        `--username=${SUPERUSER}`,
        '--auth=reject',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
      ],
      where,
    );
    const secrets = newSecrets();
    await runToEnd(binaries.postgres, ['--single', SUPERUSER], { ...where, input: setUp(secrets) });
    await writeFile(join(unfinished, 'secrets.json'), JSON.stringify(secrets), { mode: 0o600, flush: true });
    await syncDirectory(unfinished);
    await rename(unfinished, join(directory, 'cluster')).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    await syncDirectory(directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
};

const readSecrets = async (directory: string): Promise<Secrets | null> => {
  const file = join(directory, 'cluster', 'secrets.json');
  try {
    return secretsSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return null;
    if (code === 'EACCES') {
      throw new Error(`${file} belongs to another user: start Countersign as that user, ${OTHERWISE}`);
    }
    throw new Error(`${file} cannot be read or is damaged: restore it from a backup, ${OTHERWISE}`, {
      cause: error,
    });
  }
};

/** Longest path of a socket in bytes, by the system that allows least, less the socket's own name. */
const SOCKET_DIRECTORY_MAX = 103 - '/.s.PGSQL.65535'.length;

const hasSocket = (data: string): boolean =>
  process.platform !== 'win32' && Buffer.byteLength(resolve(data)) <= SOCKET_DIRECTORY_MAX;

/** The user that owns an existing data directory, as whom root must run its server. */
const ownerOf = async (data: string): Promise<ProcessUser> => {
  if (process.getuid?.() !== 0) return null;
  const { uid, gid } = await lstat(data);
  return { uid, gid };
};

/** The cluster in `directory`, or null if there is none yet. */
export const findCluster = async (directory: string): Promise<Cluster | null> => {
  const secrets = await readSecrets(directory);
  if (secrets === null) return null;
  const data = join(directory, 'cluster', 'data');
  const user = await ownerOf(data);
  const dsnsOf = (at: (role: string, password: string, database: string) => string): Dsns => ({
    ownerDsn: at(OWNER_ROLE, secrets.ownerPassword, DATABASE),
    applicationDsn: at(APPLICATION_ROLE, secrets.applicationPassword, DATABASE),
    superuserDsn: at(SUPERUSER, secrets.superuserPassword, SUPERUSER),
  });
  const dsns = (port: number): Dsns =>
    dsnsOf((role, password, database) => `postgres://${role}:${password}@127.0.0.1:${port}/${database}`);
  const sockets = encodeURIComponent(resolve(data));
  return {
    directory,
    data,
    name: secrets.cluster,
    user,
    binaries: await findBinaries(user),
    dsns,
    nearestDsns: (port) =>
      hasSocket(data)
        ? dsnsOf(
            (role, password, database) =>
              `postgres://${role}:${password}@/${database}?host=${sockets}&port=${port}`,
          )
        : dsns(port),
  };
};

/** The cluster in `directory`, made if there is none. Throws one clear line that says what to do. */
export const openCluster = async (directory: string): Promise<Cluster> => {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const found = await findCluster(directory);
    if (found !== null) return found;
    await createCluster(directory);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the embedded database in ${directory} could not be set up: ${reason}`, { cause: error });
  }
  const created = await findCluster(directory);
  if (created === null) throw new Error(`the embedded database in ${directory} vanished while it was set up`);
  return created;
};
