/** Limits as they are met: exchanges from any loopback address, what a 429 must say, and what the trail tells. */
import { request } from 'node:http';
import { sql } from 'kysely';
import { expect } from 'vitest';
import { type Answer, JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from './broker.ts';

export const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };
export const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };

/** A world with these limits, those not named as they are by default. */
export const startLimited = (limits: string): Promise<TestWorld> =>
  startWorld({ environment: { COUNTERSIGN_RATE_LIMITS: limits } });

/** Loopback addresses count apart, so each can be somebody else. */
export const exchangeFrom = (
  { issuer }: TestWorld,
  localAddress: string,
  parameters: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const form = new URLSearchParams({
      grant_type: TOKEN_EXCHANGE,
      subject_token_type: JWT_TYPE,
      ...parameters,
    });
    const sent = request(
      `${issuer}/token`,
      {
        method: 'POST',
        localAddress,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      },
      async (response) => {
        const text = (await response.toArray()).join('');
        const given = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
        resolve({
          status: response.statusCode ?? 0,
          headers: new Headers(Object.fromEntries(given)),
          body: JSON.parse(text),
        });
      },
    );
    sent.on('error', reject);
    sent.end(form.toString());
  });

/** One after the other; `send` gets the number of the time, from 0. */
export const repeat = async (times: number, send: (nth: number) => Promise<Answer>): Promise<Answer[]> => {
  const answers: Answer[] = [];
  for (let nth = 0; nth < times; nth += 1) answers.push(await send(nth));
  return answers;
};

export const statusesOf = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status);

/** The draft's form, and a Retry-After that is no earlier than the window's end. */
export const expectSlowDown = (answer: Answer | undefined, limit: string, quota: number): void => {
  const { status, headers, body } = answer ?? expect.fail('no answer');
  expect({ status, error: body.error }).toEqual({ status: 429, error: 'slow_down' });
  const seconds = Number(headers.get('retry-after'));
  expect(seconds).toSatisfy((wait: number) => Number.isInteger(wait) && wait >= 1 && wait <= 60);
  expect(headers.get('ratelimit-policy')).toBe(`"${limit}";q=${quota};w=60`);
  expect(headers.get('ratelimit')).toBe(`"${limit}";r=0;t=${seconds}`);
  expect(headers.get('cache-control')).toBe('no-store');
};

type Told = { readonly count: number; readonly body: Readonly<Record<string, unknown>> };

/** How many events of a name there are, and the first. */
export const toldOf = async (
  { database }: TestWorld,
  name = 'ratelimit.tripped',
): Promise<Told | undefined> => {
  const { rows } = await sql<Told>`
    select count(*) over () as count, convert_from(body, 'UTF8')::jsonb as body
    from audit_events where name = ${name} order by position limit 1`.execute(database.db);
  return rows[0];
};

/** What was refused for a limit, as /metrics counts it. */
export const countedOf = async ({ brokers }: TestWorld, limit: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${brokers[0]?.operationsPort}/metrics`)).text();
  return Number(new RegExp(`^countersign_rate_limited_total{limit="${limit}"} (\\d+)$`, 'm').exec(text)?.[1]);
};
