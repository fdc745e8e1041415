/** The limits of an agent that is known by its assertion, and of an API, on the wire. */
import { afterEach, describe, expect, it } from 'vitest';
import { toolOf } from '../../lab/world.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { readRegistry } from '../../src/registry/registry-file.ts';
import type { Answer, TestWorld } from '../support/broker.ts';
import {
  EXPORT,
  exchangeFrom,
  expectSlowDown,
  READ,
  repeat,
  startLimited,
  statusesOf,
  toldOf,
} from '../support/throttled.ts';

let world: TestWorld;
afterEach(() => world.stop());

/** Lets every agent ask for an action of an API; what policy says is another matter. */
const openToAll = async (audience: string, scope: string): Promise<void> => {
  const registry = await readRegistry([world.settings.COUNTERSIGN_REGISTRY ?? '']);
  const agents = registry.agents.map((agent) => ({
    ...agent,
    access: [...agent.access.filter((given) => given.audience !== audience), { audience, scopes: [scope] }],
  }));
  await applyRegistry(world.database, { ...registry, agents }, { reason: 'test', appliedBy: 'test' });
};

describe('an agent', () => {
  it('may exchange so often, whatever it asks for and from wherever, and others go on', async () => {
    world = await startLimited('exchange=4');
    const answers: Answer[] = [];
    for (let n = 0; n < 6; n += 1) {
      const subject_token = await world.assertion('support-agent');
      const parameters = { ...READ, subject_token, request_id: `n-${n}` };
      answers.push(await exchangeFrom(world, `127.0.1.${n + 1}`, parameters));
    }
    expect(statusesOf(answers)).toEqual([200, 200, 200, 200, 429, 429]);
    expectSlowDown(answers[4], 'exchange', 4);
    expect(answers[5]?.body.request_id).toBe(answers[4]?.body.request_id);
    expect(await world.trace(answers[4]?.body.request_id)).toEqual(['ratelimit.tripped']);
    expect(await toldOf(world)).toMatchObject({
      count: 1,
      body: { agent: 'support-agent', reason: 'limit_exchange' },
    });
    const other = { ...EXPORT, subject_token: await world.assertion('reporting-agent') };
    expect((await world.exchange(other)).body.error).toBe('authorization_pending');
  });

  it('is counted by its verified workload, never by what it claims', async () => {
    world = await startLimited('exchange=1,address=off');
    const subject_token = await world.assertion('support-agent', { key: 'foreign' });
    await repeat(5, () => world.exchange({ ...READ, subject_token, client_id: 'support-agent' }));
    const good = { ...READ, subject_token: await world.assertion('support-agent') };
    expect((await world.exchange(good)).status).toBe(200);
  });

  it('may be refused so often; then its mistakes are told no more, and what is right goes on', async () => {
    world = await startLimited('miss=3');
    const subject_token = await world.assertion('support-agent');
    const answers = await repeat(6, (n) =>
      world.exchange({ ...READ, subject_token, scope: `${n}.${'x'.repeat(500)}` }),
    );
    expect(statusesOf(answers)).toEqual([400, 400, 400, 429, 429, 429]);
    expectSlowDown(answers[3], 'miss', 3);
    expect(await toldOf(world, 'request.refused')).toMatchObject({ count: 3 });
    expect((await world.exchange({ ...READ, subject_token })).status).toBe(200);
  });

  it('may guess at ids of requests no more often than at anything else', async () => {
    world = await startLimited('miss=2');
    const subject_token = await world.assertion('support-agent');
    const answers = await repeat(4, (n) =>
      world.exchange({ ...READ, subject_token, request_id: `areq_${'A'.repeat(21)}${n}` }),
    );
    expect(statusesOf(answers)).toEqual([400, 400, 429, 429]);
  });

  it('that nobody registered looks the same from outside as one with a bad assertion', async () => {
    world = await startLimited('address=2');
    const ask = (address: string, subject_token: string) => () =>
      exchangeFrom(world, address, { ...READ, subject_token });
    const unknown = await repeat(4, ask('127.0.2.1', await world.assertion('tool')));
    const bad = await repeat(4, ask('127.0.2.2', 'bad'));
    expect(statusesOf(unknown)).toEqual([400, 400, 429, 429]);
    const seen = ({ status, headers, body }: Answer) => {
      const description = body.error_description.replace(/\d+ seconds/, 'N seconds');
      return { status, error: body.error, description, policy: headers.get('ratelimit-policy') };
    };
    expect(unknown.map(seen)).toEqual(bad.map(seen));
    const { objectId: object } = toolOf(world.entra.world, 'Auditor');
    expect(await toldOf(world)).toMatchObject({ body: { reason: 'limit_address', object } });
    expect((await toldOf(world))?.body.agent).toBeUndefined();
  });

  it('that keeps the pace of its pending request is not counted for it', async () => {
    world = await startLimited('exchange=3');
    const parameters = { ...EXPORT, subject_token: await world.assertion('reporting-agent') };
    const opened = await world.exchange(parameters);
    for (let n = 0; n < 6; n += 1) {
      const subject_token = await world.assertion('reporting-agent');
      const { status, body } = await world.exchange({ ...parameters, subject_token });
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'authorization_pending' });
      expect(body.request_id).toBe(opened.body.request_id);
    }
    const early = await repeat(4, () => world.exchange(parameters));
    expect(early.map(({ status, body }) => [status, body.error])).toEqual([
      [400, 'authorization_pending'],
      [400, 'slow_down'],
      [400, 'slow_down'],
      [429, 'slow_down'],
    ]);
  });

  it('that repeats with ever new assertions is counted all the same, beyond what processes of one agent need', async () => {
    world = await startLimited('exchange=3,poll=2');
    const answers: Answer[] = [];
    for (let n = 0; n < 7; n += 1) {
      const subject_token = await world.assertion('reporting-agent');
      answers.push(await world.exchange({ ...EXPORT, subject_token }));
    }
    expect(statusesOf(answers)).toEqual([400, 400, 400, 429, 429, 429, 429]);
    expectSlowDown(answers[3], 'poll', 2);
  });
});

describe('an API', () => {
  it('gets so many exchanges of all agents together, and whoever is over its own limit takes none of them', async () => {
    world = await startLimited('exchange=2,audience=4');
    await openToAll('api://knowledge.prod', 'articles.read');
    const ask = async (agent: string, request_id: string) =>
      world.exchange({
        audience: 'api://knowledge.prod',
        scope: 'articles.read',
        subject_token: await world.assertion(agent),
        request_id,
      });
    const first: Answer[] = [];
    for (const id of ['a', 'b', 'c', 'd', 'e']) first.push(await ask('support-agent', id));
    expect(statusesOf(first)).toEqual([200, 200, 429, 429, 429]);
    expectSlowDown(first[4], 'exchange', 2);
    const second = [await ask('ops-agent', 'a'), await ask('ops-agent', 'b')];
    expect(second.map(({ status, body }) => [status, body.error])).toEqual([
      [400, 'access_denied'],
      [400, 'access_denied'],
    ]);
    expectSlowDown(await ask('reporting-agent', 'a'), 'audience', 4);
    await repeat(4, () => ask('support-agent', 'f'));
    expectSlowDown(await ask('reporting-agent', 'a'), 'audience', 4);
  });

  it('refuses the next, whoever asks', async () => {
    world = await startLimited('audience=2');
    const ask = async (n: number) =>
      world.exchange({
        ...READ,
        subject_token: await world.assertion('support-agent'),
        request_id: `n-${n}`,
      });
    const answers = [await ask(1), await ask(2), await ask(3)];
    expect(statusesOf(answers)).toEqual([200, 200, 429]);
    expectSlowDown(answers[2], 'audience', 2);
    expect(await toldOf(world)).toMatchObject({
      body: { reason: 'limit_audience', audience: 'api://knowledge.prod', agent: 'support-agent' },
    });
  });
});
