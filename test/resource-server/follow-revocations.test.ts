/** The life of a follower: it outlives the broker's outages, and no process outlives its work because of it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  followRevocations,
  type Revocations,
  type RevocationsOptions,
} from '../../src/resource-server/index.ts';
import { outcome, tokenFacts } from './followed.ts';
import { json, type LocalIssuer, startIssuer } from './local-issuer.ts';

let local: LocalIssuer;
let followed: Revocations[];

beforeEach(async () => {
  local = await startIssuer();
  followed = [];
});
afterEach(async () => {
  for (const revocations of followed) revocations.close();
  await local.close();
});

const follow = (options: Partial<RevocationsOptions> = {}): Revocations => {
  const revocations = followRevocations({ issuer: local.issuer, ...options });
  followed.push(revocations);
  return revocations;
};

describe('a follower', () => {
  it('goes on by itself when the broker is back', async () => {
    local.answer('/revocations', json(503, {}));
    const api = follow();
    await api.opened;
    expect([outcome(api), api.ageSeconds()]).toEqual(['unavailable', Number.POSITIVE_INFINITY]);
    local.answer('/revocations', local.feed.serve);
    await vi.waitUntil(() => outcome(api) === 'allowed', { timeout: 10_000 });
  });

  it('knows nothing after it is closed, and asks no more', async () => {
    const api = follow();
    await api.opened;
    api.close();
    expect(outcome(api)).toBe('unavailable');
  });

  it('reads through the given fetch', async () => {
    const asked: string[] = [];
    const api = follow({
      fetch: (input, init) => {
        asked.push(String(input));
        return fetch(input, init);
      },
    });
    await api.opened;
    expect(outcome(api)).toBe('allowed');
    expect(asked.slice(0, 2).sort()).toEqual([`${local.issuer}/jwks`, `${local.issuer}/revocations`]);
  });

  it.each([0, 2, 301, Number.NaN, Number.POSITIVE_INFINITY])(
    'is not started with a budget of %s s',
    (staleRevocationsSeconds) => {
      expect(() => follow({ staleRevocationsSeconds })).toThrow('from 3 to 300');
    },
  );

  it('does not keep a process alive that has nothing else to do', async () => {
    const source = new URL('../../src/resource-server/index.ts', import.meta.url).href;
    const program = `
      const { followRevocations } = await import(${JSON.stringify(source)});
      const revocations = followRevocations({ issuer: ${JSON.stringify(local.issuer)} });
      const awake = setInterval(() => {}, 1000);
      await revocations.opened;
      clearInterval(awake);
      console.log(revocations.isRevoked(${JSON.stringify(tokenFacts())}));
      process.on('exit', (code) => console.log('ended by itself', code));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(stdout).toBe('false\nended by itself 0\n');
  });
});
