/**
 * Hundreds of clients who take their time, beside good ones at a steady pace: every good one is served, every bad one cut.
 * The broker is a process of its own, so that the crowd's work is not its.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../support/broker-process.ts';
import { until } from '../support/fact.ts';
import { openConnections } from '../support/process-figures.ts';
import { checkPromises } from '../support/promises.ts';
import { askSteadily, type Burden, type Crowd, openCrowd } from './crowd.ts';

const CROWD_SIZE = 500;
/** Cut 5 to 11 seconds after the last one came; the rest is for a slow machine. */
const TIMEOUT_MS = 90_000;

let world: TestWorld;
let broker: BrokerProcess;
let assertion: string;
let host: string;
let styleSheet: string;
let crowd: Crowd | undefined;

beforeAll(async () => {
  world = await startWorld({ brokers: 0 });
  host = new URL(world.issuer).host;
  broker = await startBrokerProcess(world.settings, Number(new URL(world.issuer).port));
  assertion = await world.assertion('support-agent');
  const page = await (await fetch(`${world.issuer}/sign-in`)).text();
  styleSheet = /\/assets\/pico\.min\.[0-9a-f]+\.css/.exec(page)?.[0] ?? 'none';
});
afterEach(() => crowd?.leave());
afterAll(async () => {
  await broker.stop();
  await world.stop();
});

/** Exchanges, and now and then what APIs and people read. */
const good = async (index: number): Promise<number> => {
  if (index % 4 === 1) return (await fetch(`${world.issuer}/jwks`)).status;
  if (index % 4 === 3) return (await fetch(`${world.issuer}/sign-in`)).status;
  const answer: Answer = await world.exchange(
    {
      audience: 'api://knowledge.prod',
      scope: 'articles.read',
      request_id: `good-${index % 8}`,
      subject_token: assertion,
    },
    { port: broker.port },
  );
  return answer.status;
};

/** The good ones are all served until it is `over`. */
const expectAllServed = async (over: Promise<unknown>): Promise<void> => {
  const statuses = await askSteadily(over, good);
  expect(statuses.length).toBeGreaterThan(20);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  await checkPromises(world.database);
};

/**
 * A crowd was there and is gone; the good clients may have a few connections open. A busy machine cuts the first of it
 * before it has accepted the last.
 */
const isCut = async (): Promise<void> => {
  const counted = (holds: (connections: number) => boolean): Promise<true> =>
    until(async () => (holds(await openConnections(broker.port)) ? true : undefined));
  await counted((connections) => connections >= CROWD_SIZE / 2);
  await counted((connections) => connections < CROWD_SIZE / 10);
};

const FORM = 'Content-Type: application/x-www-form-urlencoded';

describe.each<[string, (host: string) => Burden, RegExp]>([
  ['who send nothing', () => ({ opening: '', drip: '', reads: true }), /^HTTP\/1\.1 408 /],
  [
    'with slow headers',
    () => ({ opening: `GET /jwks HTTP/1.1\r\nHost: ${host}\r\n`, drip: 'X-A: b\r\n', reads: true }),
    /^HTTP\/1\.1 408 /,
  ],
  [
    'with slow bodies',
    () => ({
      opening: `POST /token HTTP/1.1\r\nHost: ${host}\r\n${FORM}\r\nContent-Length: 1000\r\n\r\nscope=`,
      drip: 'a',
      reads: true,
    }),
    /^HTTP\/1\.1 408 /,
  ],
  [
    'with slow chunks',
    () => ({
      opening: `POST /token HTTP/1.1\r\nHost: ${host}\r\n${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      drip: '1\r\na\r\n',
      reads: true,
    }),
    /^HTTP\/1\.1 408 /,
  ],
  [
    'who read no answer',
    () => ({
      opening: `GET ${styleSheet} HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(16),
      drip: '',
      reads: false,
    }),
    /^(HTTP\/1\.1 200 |$)/,
  ],
])('a crowd of clients %s', (_who, burden, received) => {
  it('is cut, and no good client fails beside it (D16)', { timeout: TIMEOUT_MS }, async () => {
    crowd = await openCrowd(broker.port, CROWD_SIZE, burden(host));
    await expectAllServed(isCut());
    for (const text of await crowd.closed()) expect(text).toMatch(received);
  });
});

const hasSlowhttptest = spawnSync('slowhttptest', ['-h']).error === undefined;
if (!hasSlowhttptest && process.env.CI === 'true') throw new Error('slowhttptest must be on PATH in CI');

/** Runs the tool against an address of the broker until the broker has cut its connections. */
const withSlowhttptest = async (path: string, ...mode: string[]): Promise<void> => {
  const limits = ['-c', `${CROWD_SIZE}`, '-r', '500', '-i', '1', '-l', '80', '-p', '5'];
  const tool = spawn('slowhttptest', [...mode, ...limits, '-u', `${world.issuer}${path}`], {
    stdio: 'ignore',
  });
  const ended = once(tool, 'close');
  await expectAllServed(isCut());
  // A reader of five bytes a second learns only minutes later that it was cut.
  tool.kill();
  await ended;
};

describe.skipIf(!hasSlowhttptest)('slowhttptest (needs slowhttptest on PATH)', () => {
  it.each<[string, () => Promise<void>]>([
    ['headers', () => withSlowhttptest('/jwks', '-H')],
    ['bodies', () => withSlowhttptest('/token', '-B', '-s', '1000')],
    ['reading', () => withSlowhttptest(styleSheet, '-X', '-w', '1', '-y', '512', '-z', '5', '-k', '3')],
  ])(
    'is cut with its slow %s, and no good client fails beside it (D16)',
    { timeout: TIMEOUT_MS },
    (_what, run) => run(),
  );
});
