/** The command line as a user has it: the built program, run by the Node that came with it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { freePort } from '../../src/storage/free-port.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { createDatabase } from '../support/database.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'countersign.js');

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

const countersign = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> => {
  try {
    const ended = await promisify(execFile)(process.execPath, [PROGRAM, ...args], { env });
    return { code: 0, ...ended };
  } catch (error) {
    return error as Ended;
  }
};

let world: TestWorld;
let settings: NodeJS.ProcessEnv;
let running: ChildProcess[] = [];
beforeAll(async () => {
  world = await startWorld();
  settings = {
    ...parseEnv(await readFile(join(world.entra.directory, 'broker.env'), 'utf8')),
    COUNTERSIGN_DATABASE: `embedded:${await mkdtemp(join(inject('runDirectory'), 'served-'))}`,
  };
  const [port, operations] = [await freePort(), await freePort()];
  settings.COUNTERSIGN_URL = `http://127.0.0.1:${port}`;
  settings.COUNTERSIGN_LISTEN = `127.0.0.1:${port}`;
  settings.COUNTERSIGN_OPERATIONS_LISTEN = `127.0.0.1:${operations}`;
});
afterAll(() => world.stop());
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running = [];
});

/** A broker that has said that it is ready. */
const serve = async (env: NodeJS.ProcessEnv = settings): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [PROGRAM, 'serve'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  running.push(child);
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
      if (said.includes('"msg":"ready"')) resolve();
    });
    child.once('exit', () => reject(new Error(said)));
  });
  return child;
};

const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> => {
  const exited = once(child, 'exit');
  child.kill(signal);
  return exited;
};

describe('the command line', () => {
  it('tells its commands, and each command its usage', async () => {
    const help = await countersign(['--help']);
    expect(help.code).toBe(0);
    for (const name of ['serve', 'migrate', 'apply', 'policy', 'probe', 'doctor']) {
      expect(help.stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
      const usage = await countersign([name, '--help']);
      expect(usage).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(new RegExp(`^Usage: countersign ${name}`)),
      });
    }
  });

  it.each([
    ['nothing', []],
    ['an unknown command', ['dance']],
    ['an unknown option', ['migrate', '--quickly']],
    ['an argument too many', ['serve', 'now']],
    ['no environment file', ['serve', '--env-file']],
    ['two environment files', ['serve', '--env-file=/dev/null', '--env-file', '/dev/null']],
  ])('exits with 2 and says how for %s', async (_, args) => {
    const ended = await countersign(args);
    expect(ended.code).toBe(2);
    expect(ended.stdout).toBe('');
    expect(ended.stderr).not.toBe('');
    expect(ended.stderr).not.toMatch(/^ {4}at /m);
  });

  it('fails when the environment file is not there', async () => {
    // Node itself looks for an argument of this name, wherever it stands, and ends first.
    const ended = await countersign(['serve', '--env-file', '/nowhere']);
    expect(ended.code).toBeGreaterThan(0);
    expect(ended.stderr).toContain('/nowhere');
  });

  it('exits with 1 and every problem of the configuration; the environment wins over --env-file', async () => {
    const file = join(await mkdtemp(join(inject('runDirectory'), 'env-')), 'env');
    await writeFile(file, 'COUNTERSIGN_URL=http://elsewhere.example\nCOUNTERSIGN_LISTEN=nowhere\n');
    const ended = await countersign(['serve', '--env-file', file], {
      COUNTERSIGN_URL: 'https://good.example',
    });
    expect(ended.code).toBe(1);
    expect(ended.stderr).not.toContain('COUNTERSIGN_URL');
    expect(ended.stderr).toContain('COUNTERSIGN_LISTEN: must be host:port');
    expect(ended.stderr).toContain('COUNTERSIGN_DATABASE is missing');
  });

  it('prints what a file names as text, whatever a terminal would make of it', async () => {
    const file = join(await mkdtemp(join(inject('runDirectory'), 'registry-')), 'registry.yaml');
    const names = [String.raw`"\e[2J\r\nnothing to change": 1`, String.raw`"\u202Etxet \x9b2J": 1`];
    await writeFile(file, `version: 1\nagents: []\nresources: []\n${names.join('\n')}\n`);
    const ended = await countersign(['apply', file, '--dry-run']);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('nothing to change');
    expect(ended.stderr).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]|^nothing/mu);
  });
});

describe('serve', () => {
  it('runs until it is asked to end, again on the same data, and the probe knows', async () => {
    expect((await countersign(['probe'], settings)).code).toBe(1);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const broker = await serve();
      expect((await countersign(['probe'], settings)).code).toBe(0);
      expect(await end(broker, signal)).toEqual([0, null]);
    }
  });

  it('refuses a second start on the same directory, in one line, and the first goes on', async () => {
    const broker = await serve();
    const asked = performance.now();
    const second = await countersign(['serve'], settings);
    expect(performance.now() - asked).toBeLessThan(15_000);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(
      /^countersign: the embedded database in .* is in use by another Countersign: [^\n]*\n$/,
    );
    expect((await countersign(['migrate'], settings)).stdout).toBe('the database is at this version\n');
    expect((await countersign(['probe'], settings)).code).toBe(0);
    await end(broker, 'SIGTERM');
  });

  it('says which port is taken and leaves no database running', async () => {
    const taken = new URL(world.issuer).host;
    const ended = await countersign(['serve'], { ...settings, COUNTERSIGN_LISTEN: taken });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(`${taken} is already in use`);
    expect(ended.stderr).toContain('COUNTERSIGN_LISTEN');
    const broker = await serve();
    await end(broker, 'SIGTERM');
  });

  it('comes up after it was killed, with the database that it left behind', async () => {
    await end(await serve(), 'SIGKILL');
    await end(await serve(), 'SIGTERM');
  });
});

describe('migrate', () => {
  it('brings an empty database to this version, again and again', async () => {
    const { ownerDsn, applicationDsn, drop } = await createDatabase('empty');
    const env = { COUNTERSIGN_DATABASE: applicationDsn, COUNTERSIGN_DATABASE_OWNER: ownerDsn };
    for (const _ of [1, 2]) {
      expect(await countersign(['migrate'], env)).toMatchObject({
        code: 0,
        stdout: 'the database is at this version\n',
      });
    }
    const alone = await countersign(['migrate'], { COUNTERSIGN_DATABASE: ownerDsn });
    expect(alone.stdout).toContain('note: the database role of the broker owns the audit events');
    await drop();
  });

  it('tells an unreachable database in one line, without its connection string', async () => {
    const dsn = `postgres://someone:canary@127.0.0.1:${await freePort()}/x`;
    const ended = await countersign(['migrate'], { COUNTERSIGN_DATABASE: dsn });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toBe('countersign: the database is unavailable: ECONNREFUSED\n');
  });
});
