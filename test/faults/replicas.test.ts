/** Several brokers, real processes on one database: at one instant, killed, and started again. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../support/broker-process.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };
const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

const jtiOf = ({ body }: Answer): string => JSON.parse(atob(body.access_token.split('.')[1] ?? '')).jti;

describe('two broker processes on one database', { timeout: 60_000 }, () => {
  let processes: BrokerProcess[];
  beforeAll(async () => {
    processes = await Promise.all([startBrokerProcess(world.settings), startBrokerProcess(world.settings)]);
  });
  afterAll(async () => {
    for (const broker of processes) expect(await broker.stop()).toBe(0);
  });
  const ports = () => processes.map(({ port }) => port);

  it('give exactly one jti to 50 parallel repeats at the moment of approval', async () => {
    for (let round = 0; round < 5; round += 1) {
      const parameters = {
        ...EXPORT,
        request_id: `round-${round}`,
        subject_token: await world.assertion('reporting-agent'),
      };
      const { request_id } = (await world.exchange(parameters)).body;
      const repeats = Array.from({ length: 50 }, (_, index) =>
        world.exchange(parameters, { port: ports()[index % 2] ?? 0 }),
      );
      const [vote, ...answers] = await Promise.all([world.vote(request_id, 'approve'), ...repeats]);
      expect(vote).toEqual({ outcome: 'approved' });
      const late = await Promise.all(ports().map((port) => world.exchange(parameters, { port })));
      const issued = [...answers, ...late].filter(({ status }) => status === 200);
      expect(issued.length).toBeGreaterThanOrEqual(2);
      expect(new Set(issued.map(jtiOf)).size).toBe(1);
      const others = answers.filter(({ status }) => status !== 200);
      expect(others.every(({ body }) => ['authorization_pending', 'slow_down'].includes(body.error))).toBe(
        true,
      );
    }
  });

  it('open one request for equal exchanges at the same instant', async () => {
    const subject_token = await world.assertion('ops-agent');
    const parameters = { subject_token, audience: 'api://operations.prod', scope: 'release.deploy' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => world.exchange(parameters, { port: ports()[index % 2] ?? 0 })),
    );
    expect(new Set(answers.map(({ body }) => body.request_id)).size).toBe(1);
  });

  it('give one credential to a permit that is asked for many times at once', async () => {
    const parameters = {
      ...READ,
      request_id: 'burst',
      subject_token: await world.assertion('support-agent'),
    };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => world.exchange(parameters, { port: ports()[index % 2] ?? 0 })),
    );
    expect(new Set(answers.map(jtiOf)).size).toBe(1);
  });
});

describe('a broker that is killed in the middle of exchanges', { timeout: 120_000 }, () => {
  it('leaves no second credential, no request stuck and no event missing', async () => {
    const subject_token = await world.assertion('support-agent');
    for (let round = 0; round < 8; round += 1) {
      const broker = await startBrokerProcess(world.settings);
      const keys = Array.from({ length: 12 }, (_, index) => `kill-${round}-${index}`);
      let answered = 0;
      const reached = Promise.withResolvers<void>();
      if (round === 0) reached.resolve();
      const first = keys.map((request_id) =>
        world
          .exchange({ ...READ, subject_token, request_id }, { port: broker.port })
          .then((answer) => {
            answered += 1;
            if (answered === round) reached.resolve();
            return answer;
          })
          .catch(() => null),
      );
      await reached.promise;
      await broker.kill();
      const before = await Promise.all(first);
      const again = await Promise.all(
        keys.map((request_id) => world.exchange({ ...READ, subject_token, request_id })),
      );
      expect(again.map(({ status }) => status)).toEqual(keys.map(() => 200));
      for (const [index, answer] of before.entries()) {
        const repeat = again[index];
        if (answer?.status === 200 && repeat) expect(jtiOf(repeat)).toBe(jtiOf(answer));
      }
      await checkPromises(world.database);
    }
    const { rows } = await sql<{ keys: number; tokens: number }>`
      select count(distinct k.key) as keys, count(t.jti) as tokens
      from request_keys k join grants g on g.request_id = k.request_id join tokens t on t.grant_id = g.id
      where k.key like 'i:kill-%'`.execute(world.database.db);
    expect(rows).toEqual([{ keys: 96, tokens: 96 }]);
  });
});
