/** Requests that are made to fill the memory: refused, their connection closed, and the broker's process grows by little. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pour, send, sendBytes } from '../http/wire.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../support/broker-process.ts';
import { growthDuring } from '../support/process-figures.ts';
import { checkPromises } from '../support/promises.ts';

const MIB = 1_024 * 1_024;
const AT_A_TIME = 50;
const ROUNDS = 8;
const TIMEOUT_MS = 120_000;

let world: TestWorld;
let broker: BrokerProcess;
let host: string;
let assertion: string;

beforeAll(async () => {
  world = await startWorld({ brokers: 0 });
  host = `Host: ${new URL(world.issuer).host}`;
  broker = await startBrokerProcess(world.settings, Number(new URL(world.issuer).port));
  assertion = await world.assertion('support-agent');
});
afterAll(async () => {
  await broker.stop();
  await world.stop();
});

const FORM = 'Content-Type: application/x-www-form-urlencoded';
const CHUNKED = 'Transfer-Encoding: chunked';

const posted = async (body: string | Buffer, ...headers: string[]): Promise<number> => {
  const lines = [host, FORM, `Content-Length: ${Buffer.byteLength(body)}`, ...headers];
  return (await send(broker.port, 'POST /token', lines, body)).status || 0;
};
const asked = async (...headers: string[]): Promise<number> =>
  (await send(broker.port, 'GET /jwks', [host, ...headers])).status || 0;
const statusOf = (received: string): number => Number(received.split(' ')[1] ?? 0);
const head = (line: string, ...headers: string[]): string =>
  `${[`${line} HTTP/1.1`, host, ...headers].join('\r\n')}\r\n`;
const chunkedPost = (): string => `${head('POST /token', FORM, CHUNKED)}\r\n`;

const BODY = Buffer.alloc(MIB, 0x61);
const ENDLESS = {
  'a chunked body': () => pour(broker.port, chunkedPost(), `4000\r\n${'a'.repeat(0x4000)}\r\n`),
  'a body of chunks of one byte': () => pour(broker.port, chunkedPost(), '1\r\na\r\n'.repeat(2_000)),
  'a chunk extension': () => pour(broker.port, `${chunkedPost()}1;`, 'a'.repeat(0x4000)),
  trailers: () => pour(broker.port, `${chunkedPost()}0\r\n`, `X-A: ${'a'.repeat(1_000)}\r\n`.repeat(10)),
  'a header': () => pour(broker.port, `${head('GET /jwks')}X-A: `, 'a'.repeat(0x4000)),
  headers: () => pour(broker.port, head('GET /jwks'), 'X-A: b\r\n'.repeat(2_000)),
  'an address': () => pour(broker.port, 'GET /', 'a'.repeat(0x4000)),
};
const BOMBS: Readonly<Record<string, () => Promise<number>>> = {
  'a body of 57 KiB': () => posted(BODY.subarray(0, 57 * 1_024)),
  'a body of a megabyte': () => posted(BODY),
  'ten thousand parameters': () => posted(Array.from({ length: 10_000 }, (_, n) => `${n}=`).join('&')),
  'fifty thousand ampersands': () => posted('&'.repeat(50_000)),
  'ten thousand percent signs': () => posted(`scope=${'%'.repeat(10_000)}`),
  'a compressed body': () => posted(gzipSync(BODY), 'Content-Encoding: gzip'),
  'a header of 20 KB': () => asked(`X-A: ${'a'.repeat(20_000)}`),
  'two hundred headers': () => asked(...Array.from({ length: 200 }, (_, n) => `X-${n}: b`)),
  'a cookie of 100 KB': () => asked(`Cookie: ${'a'.repeat(100_000)}`),
};
/** 0: the connection was cut while more was sent than is read, and the answer lost with it. */
const REFUSALS = [400, 413, 431, 0];

const goodStatus = async (): Promise<number> =>
  (
    await world.exchange(
      { audience: 'api://knowledge.prod', scope: 'articles.read', subject_token: assertion },
      { port: broker.port },
    )
  ).status;

/**
 * The least of several times: what an attack costs is spent each time, what the collector of garbage had not come to
 * is not.
 */
const growthBy = async (attack: () => Promise<void>, rounds = ROUNDS): Promise<number> => {
  const growths: number[] = [];
  for (let round = 0; round < rounds; round += 1) growths.push(await growthDuring(broker.pid, attack));
  return Math.min(...growths);
};

/** Bombs of all kinds, so many at a time. */
const throwBombs = async (count: number): Promise<void> => {
  const kinds = Object.values(BOMBS);
  let thrown = 0;
  const thrower = async (): Promise<void> => {
    while (thrown < count) {
      const bomb = kinds[thrown % kinds.length];
      thrown += 1;
      expect(REFUSALS).toContain(await bomb?.());
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, thrower));
};

describe('a request made to fill the memory', () => {
  it.each(Object.entries(BOMBS))('is refused: %s (T7, T11, T13, D17)', async (_what, bomb) => {
    expect(REFUSALS).toContain(await bomb());
    expect(await goodStatus()).toBe(200);
  });

  it.each(Object.entries(ENDLESS))(
    'without end is refused and cut, at 5 MB of memory: %s (T7, T11, D17)',
    async (_what, send) => {
      const growth = await growthBy(async () => {
        expect(REFUSALS).toContain(statusOf(await send()));
      });
      expect(growth).toBeLessThan(5 * MIB);
      expect(await goodStatus()).toBe(200);
    },
  );

  it('is refused a thousand times, at 50 MB of memory, and the good ones go on (D17)', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const growth = await growthBy(async () => {
      const [, ...statuses] = await Promise.all([
        throwBombs(1_000),
        ...Array.from({ length: 20 }, goodStatus),
      ]);
      expect(statuses).toEqual(statuses.map(() => 200));
    }, 3);
    expect(growth).toBeLessThan(50 * MIB);
    await checkPromises(world.database);
  });
});

it('requests ahead without end are cut, at 5 MB of memory, whatever they ask for (D17)', async () => {
  const growth = await growthBy(async () => {
    for (let times = 0; times < 10; times += 1)
      await sendBytes(broker.port, `${head('GET /sign-in')}\r\n`.repeat(1_000));
  });
  expect(growth).toBeLessThan(5 * MIB);
  expect(await goodStatus()).toBe(200);
});
