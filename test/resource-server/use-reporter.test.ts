import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createUseReporter,
  type UseReporter,
  type UseReporterOptions,
} from '../../src/resource-server/index.ts';
import { json, type LocalIssuer, startIssuer } from './local-issuer.ts';

type Entry = { event_id: string; jti: string; outcome: string; status: number; at: string; count: number };
type Report = { readonly authorization: string | undefined; readonly entries: Entry[] };

let local: LocalIssuer;
let reporter: UseReporter | undefined;
let reports: Report[];
let statuses: number[];
let problems: string[];
let arrived: () => void;

beforeEach(async () => {
  local = await startIssuer();
  reports = [];
  statuses = [];
  problems = [];
  arrived = () => {};
  local.answer('/token-use', (request, response, body) => {
    reports.push({ authorization: request.headers.authorization, entries: JSON.parse(body) });
    json(statuses.shift() ?? 200, {})(request, response, body);
    arrived();
  });
});
afterEach(async () => {
  await reporter?.stop();
  await local.close();
});

const start = (options: Partial<UseReporterOptions> = {}): UseReporter => {
  reporter = createUseReporter({
    issuer: local.issuer,
    credential: async () => 'assertion-of-the-api',
    onProblem: (problem) => problems.push(problem),
    intervalMs: 5,
    retryMs: 5,
    ...options,
  });
  return reporter;
};
const reportsArrived = (count: number): Promise<void> =>
  new Promise((resolve) => {
    arrived = () => reports.length >= count && resolve();
    arrived();
  });
const use = (tokenId: string) => ({ tokenId, outcome: 'allowed', status: 200 }) as const;

describe('a report', () => {
  it("carries the uses with the API's own credential, equal ones counted in one entry", async () => {
    const { report } = start({ now: () => Date.parse('2026-01-02T03:04:05.678Z') });
    report(use('tok_a'));
    report(use('tok_a'));
    report({ tokenId: 'tok_a', outcome: 'refused', status: 403 });
    report(use('tok_b'));
    await reportsArrived(1);
    expect(reports).toEqual([
      {
        authorization: 'Bearer assertion-of-the-api',
        entries: [
          { jti: 'tok_a', outcome: 'allowed', status: 200, count: 2 },
          { jti: 'tok_a', outcome: 'refused', status: 403, count: 1 },
          { jti: 'tok_b', outcome: 'allowed', status: 200, count: 1 },
        ].map((entry) => ({
          ...entry,
          at: '2026-01-02T03:04:05.678Z',
          event_id: expect.stringMatching(/^use_/),
        })),
      },
    ]);
    expect(new Set(reports[0]?.entries.map((entry) => entry.event_id)).size).toBe(3);
  });

  it('is sent in pieces when much waits', async () => {
    const { report, flush } = start({ intervalMs: 60_000 });
    for (let index = 0; index < 250; index += 1) report(use(`tok_${index}`));
    await flush();
    expect(reports.map(({ entries }) => entries.length)).toEqual([100, 100, 50]);
  });
});

describe('a broker that does not take it', () => {
  it.each([503, 500, 429, 401])('gets the same entries again after a %s', async (status) => {
    statuses = [status, status];
    const { report } = start();
    report(use('tok_a'));
    await reportsArrived(3);
    expect(reports[1]?.entries).toEqual(reports[0]?.entries);
    expect(reports[2]?.entries).toEqual(reports[0]?.entries);
    report(use('tok_b'));
    await reportsArrived(4);
    expect(reports[3]?.entries.map((entry) => entry.jti)).toEqual(['tok_b']);
  });

  it.each([400, 403, 413])(
    'is not asked again after a %s, and what follows still goes out',
    async (status) => {
      statuses = [status];
      const { report, flush } = start({ intervalMs: 60_000 });
      report(use('tok_a'));
      await flush();
      report(use('tok_b'));
      await flush();
      expect(reports.map(({ entries }) => entries[0]?.jti)).toEqual(['tok_a', 'tok_b']);
      expect(problems).toContain('1 reports of token uses are lost: refused');
    },
  );

  it('costs nothing but the bound: the newest uses are dropped, told once, and counted', async () => {
    const { report, stop } = start({ capacity: 3, intervalMs: 60_000 });
    for (let index = 0; index < 10; index += 1) report(use(`tok_${index}`));
    report(use('tok_0'));
    await stop();
    expect(reports.flatMap(({ entries }) => entries.map(({ jti, count }) => `${jti} ${count}`))).toEqual([
      'tok_0 2',
      'tok_1 1',
      'tok_2 1',
    ]);
    expect(problems).toEqual([
      'token uses are being dropped: the queue is full or stopped',
      '7 reports of token uses are lost',
    ]);
  });

  it('is asked again no earlier than it says, with the same entries and what came meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const sent: Entry[][] = [];
    const { report, flush } = start({
      intervalMs: 1_000,
      retryMs: 1_000,
      fetch: async (_, init) => {
        sent.push(JSON.parse(String(init?.body)));
        return sent.length === 1
          ? new Response(null, { status: 429, headers: { 'retry-after': '40' } })
          : new Response(null);
      },
    });
    try {
      report(use('tok_a'));
      await flush();
      report(use('tok_b'));
      report(use('tok_b'));
      await vi.advanceTimersByTimeAsync(39_000);
      expect(sent).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(sent.slice(1)).toEqual([sent[0], [expect.objectContaining({ jti: 'tok_b', count: 2 })]]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is never sent more uses in one entry than it takes', async () => {
    const { report, flush } = start({ intervalMs: 60_000 });
    for (let index = 0; index < 250_000; index += 1) report(use('tok_a'));
    await flush();
    const entries = reports.flatMap((sent) => sent.entries);
    expect(entries.map(({ count }) => count).sort()).toEqual([100_000, 100_000, 50_000]);
    expect(new Set(entries.map(({ event_id }) => event_id)).size).toBe(3);
  });

  it('is tried again when there was no credential', async () => {
    let credentials = 0;
    const { report } = start({
      credential: async () => {
        credentials += 1;
        if (credentials === 1) throw new Error('Entra is away');
        return 'assertion';
      },
    });
    report(use('tok_a'));
    await reportsArrived(1);
    expect(credentials).toBe(2);
    expect(problems).toEqual(['token uses could not be reported']);
  });
});

describe('stopping', () => {
  it('delivers what waits', async () => {
    const { report, stop } = start({ intervalMs: 60_000 });
    report(use('tok_a'));
    await stop();
    expect(reports).toHaveLength(1);
    expect(problems).toEqual([]);
  });

  it('ends when the broker is away, and tells what is lost', async () => {
    await local.close();
    const { report, stop } = start({ intervalMs: 60_000 });
    report(use('tok_a'));
    await stop();
    expect(problems).toEqual(['token uses could not be reported', '1 reports of token uses are lost']);
  });
});
