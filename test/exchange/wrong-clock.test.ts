/** A broker whose clock is wrong: what is over would be good again there, so it issues nothing (D13). */
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => vi.useRealTimers());
afterAll(() => world.stop());

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

const ask = (subject_token: string) => world.exchange({ ...READ, subject_token });

const readiness = async () => {
  const answer = await fetch(`http://127.0.0.1:${world.brokers[0]?.operationsPort}/readyz`);
  const { checks } = (await answer.json()) as { checks: { name: string; problem: string | null }[] };
  return { status: answer.status, problem: checks.find(({ name }) => name === 'clock')?.problem };
};

/** An assertion that was over so many seconds ago. */
const overSince = (seconds: number): Promise<string> => {
  const exp = Math.floor(Date.now() / 1_000) - seconds;
  return world.assertion('support-agent', { claims: { iat: exp - 3_600, nbf: exp - 3_600, exp } });
};

it('takes no assertion that is over, and is not ready, where its clock is set back', async () => {
  const over = await overSince(300);
  expect((await ask(over)).body.error).toBe('invalid_request');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 600_000 });
  const answer = await ask(over);
  expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable']);
  expect(await readiness()).toEqual({
    status: 503,
    problem: 'the clock of this machine and that of the database are 600 s apart',
  });
  vi.useRealTimers();
  expect((await ask(over)).body.error).toBe('invalid_request');
  expect(await readiness()).toEqual({ status: 200, problem: null });
});

it('issues nothing where its clock is ahead', async () => {
  const good = await world.assertion('support-agent');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
  expect((await ask(good)).status).toBe(503);
  expect((await readiness()).status).toBe(503);
  vi.useRealTimers();
  expect((await ask(good)).status).toBe(200);
});

it('goes on where clocks differ as much as is forgiven', async () => {
  const good = await world.assertion('support-agent');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 25_000 });
  expect((await ask(good)).status).toBe(200);
  expect((await readiness()).status).toBe(200);
});
