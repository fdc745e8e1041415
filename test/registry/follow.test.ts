import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { applyRegistry } from '../../src/registry/apply.ts';
import { type Follower, followRevisions } from '../../src/registry/follow.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { openTestDatabase } from './database.ts';
import { agent, document } from './entries.ts';

const NOTE = { reason: 'Register the agents', appliedBy: 'test' };
/** Long enough that only `catchUp` looks. */
const NEVER_MS = 3_600_000;

let test: Awaited<ReturnType<typeof openTestDatabase>>;
let followers: Follower[];
beforeEach(async () => {
  test = await openTestDatabase();
  followers = [];
});
afterEach(async () => {
  for (const follower of followers) await follower.stop();
  await test.end();
});

const apply = (name: string) =>
  applyRegistry(test.database, document({ agents: [agent('reader', 1, { name })] }), NOTE);

/** A follower that keeps what it was given, and what it logged. */
const follow = (change: Partial<Parameters<typeof followRevisions>[0]> = {}) => {
  const registries: Registry[] = [];
  const policies: string[] = [];
  const log: string[] = [];
  const follower = followRevisions({
    database: test.database,
    intervalMs: NEVER_MS,
    onRegistry: (registry) => void registries.push(registry),
    onClosings: () => undefined,
    onPolicy: (bundle, revision) => void policies.push(`${revision}: ${new TextDecoder().decode(bundle)}`),
    logger: pino({ level: 'info' }, { write: (line) => void log.push(JSON.parse(line).msg) }),
    ...change,
  });
  followers.push(follower);
  return {
    ...follower,
    registries,
    policies,
    log,
    names: () => registries.map((registry) => registry.agents.get('reader')?.name),
  };
};

describe('following what is in force', () => {
  it('begins with what there is, if only an empty registry', async () => {
    const { catchUp, registries, policies } = follow();
    await catchUp();
    expect(registries.map(({ revision }) => revision)).toEqual([0]);
    expect(policies).toEqual([]);
  });

  it('takes over each change once', async () => {
    await apply('A');
    const { catchUp, names, policies } = follow();
    await catchUp();
    await apply('B');
    await activatePolicy(test.database, new TextEncoder().encode('rules'), 'one', NOTE);
    await catchUp();
    await catchUp();
    expect(names()).toEqual(['A', 'B']);
    expect(policies).toEqual(['one: rules']);
  });

  it('sees within moments what another process has changed', async () => {
    await apply('A');
    const { catchUp, names } = follow({ intervalMs: 20 });
    await catchUp();
    const script = `
      import { pino } from 'pino';
      import { openDatabase } from './src/storage/database.ts';
      import { applyRegistry } from './src/registry/apply.ts';
      const [dsn, document] = process.argv.slice(1);
      const database = await openDatabase({ dsn, logger: pino({ level: 'silent' }) });
      await applyRegistry(database, JSON.parse(document), { reason: 'From elsewhere', appliedBy: 'test' });
      await database.close();`;
    const elsewhere = JSON.stringify(document({ agents: [agent('reader', 1, { name: 'From elsewhere' })] }));
    await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      script,
      test.applicationDsn,
      elsewhere,
    ]);
    await vi.waitFor(() => expect(names()).toEqual(['A', 'From elsewhere']), { timeout: 5_000, interval: 5 });
  });

  it('survives an outage, says so once, and goes on by itself', async () => {
    await apply('A');
    const { catchUp, names, log } = follow({ intervalMs: 5 });
    await catchUp();
    const owner = await test.connect('owner');
    await owner.query('alter table in_force rename to away');
    for (let look = 0; look < 5; look++) await expect(catchUp()).rejects.toThrow();
    expect(log.filter((line) => line.startsWith('cannot take over'))).toHaveLength(1);
    await owner.query('alter table away rename to in_force');
    await apply('B');
    await vi.waitFor(() => expect(names()).toEqual(['A', 'B']), { timeout: 5_000, interval: 5 });
    expect(log).toContain('following what is in force again');
  });

  it('tries a refused change again and takes the other one over meanwhile', async () => {
    await activatePolicy(test.database, new TextEncoder().encode('good'), 'good', NOTE);
    await activatePolicy(test.database, new TextEncoder().encode('bad'), 'bad', NOTE);
    let broken = true;
    const taken: string[] = [];
    const { catchUp, registries } = follow({
      onPolicy: (_, revision) => {
        if (broken) throw new Error('not a bundle');
        taken.push(revision);
      },
    });
    await expect(catchUp()).rejects.toThrow('not a bundle');
    expect(registries.map(({ revision }) => revision)).toEqual([0]);
    await apply('A');
    await expect(catchUp()).rejects.toThrow('not a bundle');
    expect(registries.map(({ revision }) => revision)).toEqual([0, 1]);
    broken = false;
    await catchUp();
    expect(taken).toEqual(['bad']);
  });

  it('looks once at a time, and a look that was asked for begins afterwards', async () => {
    await apply('A');
    let inside = 0;
    let most = 0;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const names: (string | undefined)[] = [];
    const { catchUp } = follow({
      onRegistry: async (registry) => {
        inside++;
        most = Math.max(most, inside);
        await held;
        names.push(registry.agents.get('reader')?.name);
        inside--;
      },
    });
    await vi.waitFor(() => expect(inside).toBe(1), { interval: 1 });
    await apply('B');
    const asked = [catchUp(), catchUp(), catchUp()];
    // As long as a whole look of another follower takes, several times, nothing begins beside the one that is held.
    const other = follow();
    for (let look = 0; look < 5; look++) await other.catchUp();
    expect(inside).toBe(1);
    release();
    await Promise.all(asked);
    expect(names).toEqual(['A', 'B']);
    expect(most).toBe(1);
  });

  it('ends when stopped', async () => {
    const { catchUp, stop, names } = follow({ intervalMs: 1 });
    await catchUp();
    await stop();
    await apply('A');
    await expect(catchUp()).rejects.toThrow('no longer following');
    expect(names()).toEqual([undefined]);
  });
});
