/** APIs and tools that are turned away: told with the exact reason, seen as RFC 6750 says, and counted. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ASSERTION_REASONS } from '../../src/reasons/assertion.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

type Headers = Readonly<Record<string, string>>;

const bearer = async (who: string, claims: Record<string, unknown> = {}): Promise<Headers> => ({
  authorization: `Bearer ${await world.assertion(who, { claims })}`,
});
const report = (headers: Headers, body = '[]'): Promise<Answer> =>
  world.post('/token-use', body, { 'content-type': 'application/json', ...headers });
const readTrail = (headers: Headers): Promise<Answer> =>
  world.get('/audit', { accept: 'application/json', ...headers });

/** The newest event, as far as it says who was turned away and why. */
const newest = async (): Promise<Record<string, unknown>> => {
  const { rows } = await sql<{ body: Record<string, unknown> }>`
    select convert_from(body, 'UTF8')::jsonb as body from audit_events order by position desc limit 1`.execute(
    world.database.db,
  );
  const { name, reason, endpoint, network } = rows[0]?.body ?? {};
  return { name, reason, endpoint, network };
};

const network = '127.0.0.0/24';
const LATE = { exp: Math.floor(Date.now() / 1000) - 60 };

const CASES: readonly [string, () => Promise<Answer>, number, string][] = [
  ['caller.rejected bearer_missing /token-use', () => report({}), 401, 'invalid_token'],
  [
    'assertion.rejected exp /token-use',
    async () => report(await bearer('api://knowledge.prod', LATE)),
    401,
    'invalid_token',
  ],
  [
    'caller.rejected api_unknown /token-use',
    async () => report(await bearer('support-agent')),
    403,
    'insufficient_scope',
  ],
  [
    'caller.rejected report_malformed /token-use',
    async () => report(await bearer('api://knowledge.prod'), '{}'),
    400,
    'invalid_request',
  ],
  ['caller.rejected bearer_missing /audit', () => readTrail({}), 401, 'invalid_token'],
  ['assertion.rejected exp /audit', async () => readTrail(await bearer('tool', LATE)), 401, 'invalid_token'],
  [
    'caller.rejected bearer_and_cookie /audit',
    async () => readTrail({ ...(await bearer('tool')), cookie: `countersign_session=${'A'.repeat(43)}` }),
    400,
    'invalid_request',
  ],
  [
    'caller.rejected agent_as_reader /audit',
    async () => readTrail(await bearer('support-agent', { roles: ['Auditor'] })),
    403,
    'insufficient_scope',
  ],
  [
    'caller.rejected reader_role_missing /audit',
    async () => readTrail(await bearer('tool', { roles: undefined })),
    403,
    'insufficient_scope',
  ],
];

describe('a caller that is turned away', () => {
  it.each(CASES)('is told as %s', async (told, call, status, error) => {
    const answer = await call();
    expect({ status: answer.status, error: answer.body.error }).toEqual({ status, error });
    const [name, reason, endpoint] = told.split(' ');
    expect(await newest()).toEqual({ name, reason, endpoint, network });
    expect(JSON.stringify(answer.body)).not.toContain(reason);
  });
});

const counted = async (): Promise<Record<string, number>> => {
  const answer = await fetch(`http://127.0.0.1:${world.brokers[0]?.operationsPort}/metrics`);
  const samples = (await answer.text()).matchAll(
    /^countersign_assertions_rejected_total\{reason="(\w+)"\} (\d+)$/gm,
  );
  return Object.fromEntries([...samples].map(([, reason = '', value]) => [reason, Number(value)]));
};

describe('countersign_assertions_rejected_total', () => {
  it('counts each rejected assertion by its reason, at /token and elsewhere, and has no label beyond the reasons', async () => {
    const before = await counted();
    expect(Object.keys(before).sort()).toEqual(Object.keys(ASSERTION_REASONS).sort());
    const aud = { aud: 'api://other' };
    for (let index = 0; index < 3; index += 1) {
      await world.exchange({
        subject_token: await world.assertion('support-agent', { claims: aud }),
        audience: 'api://knowledge.prod',
      });
    }
    await report(await bearer('api://knowledge.prod', aud));
    await world.exchange({ subject_token: 'x'.repeat(20_000), audience: 'api://knowledge.prod' });
    await world.exchange({ subject_token: '\u{1f600}"} 1', audience: 'api://knowledge.prod' });
    const after = await counted();
    expect(after).toEqual({
      ...before,
      aud: (before.aud ?? 0) + 4,
      size: (before.size ?? 0) + 1,
      format: (before.format ?? 0) + 1,
    });
  });
});
