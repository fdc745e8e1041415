/** The layout as a fact: who may import whom, how long a file may be, what nobody imports. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

const FILE_MAX_LINES = 250;

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.tsx?$/.test(file));

type Import = { readonly from: string; readonly to: string };

const source = (file: string): string => readFileSync(file, 'utf8');

const imports: Import[] = files.flatMap((from) =>
  [
    ...source(from).matchAll(
      /^(?:import|export)[^'"]*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm,
    ),
  ].map((match) => {
    const to = match[1] ?? match[2] ?? match[3] ?? '';
    return { from, to: to.startsWith('.') ? posix.normalize(posix.join(dirname(from), to)) : to };
  }),
);

/** The room of a file: `src/<folder>`, a file of `src/` itself, or the top folder. */
const roomOf = (file: string): string => {
  const [top = '', second = ''] = file.split('/');
  return top === 'src' ? `src/${second}` : top;
};

const within = (room: string) => imports.filter(({ from }) => roomOf(from) === room);
const isLocal = ({ to }: Import): boolean => files.includes(to);
const show = ({ from, to }: Import): string => `${from} -> ${to}`;

/** Facts and pure helpers that every room of the broker may use. */
const COMMON = [
  'src/ids.ts',
  'src/clock.ts',
  'src/reasons.ts',
  'src/reasons',
  'src/canonical-json.ts',
  'src/strict-json.ts',
  'src/base64url.ts',
  'src/one-at-a-time.ts',
];

const ALLOWED: Record<string, readonly string[]> = {
  'src/reasons': ['src/audit'],
  'src/http': [],
  'src/identity': [],
  'src/policy': ['src/registry'],
  'src/audit': ['src/storage'],
  'src/storage': ['migrations', 'src/identity'],
  'src/registry': ['src/audit', 'src/storage', 'src/policy'],
  'src/revocation': ['src/audit', 'src/storage'],
  'src/access': ['src/audit', 'src/storage', 'src/policy', 'src/registry', 'src/revocation', 'src/identity'],
  'src/tokens': ['src/audit', 'src/storage', 'src/registry', 'src/revocation'],
  'src/limits': ['src/audit', 'src/http', 'src/identity', 'src/storage'],
  'src/operations': ['src/storage', 'src/http'],
  'src/proof': [],
  'src/resource-server': ['src/proof'],
  migrations: [],
};

describe('the layout', () => {
  it.each(Object.entries(ALLOWED))('lets %s import its own room and %j', (room, allowed) => {
    const foreign = within(room)
      .filter(isLocal)
      .filter(({ to }) => ![room, ...allowed, ...COMMON].includes(roomOf(to)));
    expect(foreign.map(show)).toEqual([]);
  });

  it('keeps the two edges apart', () => {
    const crossing = imports.filter(
      ({ from, to }) =>
        (roomOf(from) === 'src/oauth' && roomOf(to) === 'src/console') ||
        (roomOf(from) === 'src/console' && roomOf(to) === 'src/oauth'),
    );
    expect(crossing.map(show)).toEqual([]);
  });

  it.each([
    ['oidc-provider', ['src/oauth', 'bench']],
    ['koa', ['src/http', 'src/oauth', 'src/console', 'src/broker.ts', 'src/operations', 'lab']],
    ['@azure/msal-node', ['src/console', 'lab', 'test']],
    ['pg', ['src/storage', 'test', 'bench']],
    ['ioredis', ['src/storage', 'test']],
    ['rate-limiter-flexible', ['src/limits']],
    ['@open-policy-agent/opa-wasm', ['src/policy']],
  ])('imports %s in %j alone', (library, rooms) => {
    const elsewhere = imports.filter(
      ({ from, to }) => to === library && !rooms.includes(roomOf(from)) && roomOf(from) !== 'test',
    );
    expect(elsewhere.map(show)).toEqual([]);
  });

  it('lets the views import view models, assets and each other alone', () => {
    const foreign = within('views')
      .filter(isLocal)
      .filter(({ to }) => roomOf(to) !== 'views');
    expect(foreign.map(show)).toEqual([]);
  });

  it('keeps the lab outside the broker', () => {
    const foreign = within('lab')
      .filter(isLocal)
      .filter(({ to }) => !['lab', 'src/resource-server', 'views'].includes(roomOf(to)));
    expect(foreign.map(show)).toEqual([]);
  });

  it('imports libraries by their public names', () => {
    const deep = imports.filter(
      ({ to }) => /^(@[^/]+\/)?[^/.@][^/]*\/(lib|dist|src|build)\//.test(to) && !to.startsWith('node:'),
    );
    expect(deep.map(show)).toEqual([]);
  });

  it(`has no file over ${FILE_MAX_LINES} lines`, () => {
    const long = files.filter((file) => source(file).split('\n').length - 1 > FILE_MAX_LINES);
    expect(long).toEqual([]);
  });
});
