/** Who may ask about tokens, and how: an API of the registry, by its own assertion, with a form (RFC 7662 section 2.1). */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { READ } from './expect-refusal.ts';

const API = READ.audience;

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const bearer = async (who: string, changes = {}) => ({
  ...FORM,
  authorization: `Bearer ${await world.assertion(who, changes)}`,
});
const issue = async (): Promise<string> =>
  (await world.exchange({ subject_token: await world.assertion('support-agent'), ...READ })).body
    .access_token;

describe('whoever asks', () => {
  it.each([
    ['nobody', async () => FORM, 401, 'invalid_token'],
    ['garbage', async () => ({ ...FORM, authorization: 'Bearer garbage' }), 401, 'invalid_token'],
    ['an API whose assertion is over', () => bearer(API, { claims: { exp: 1 } }), 401, 'invalid_token'],
    [
      'an access token',
      async () => ({ ...FORM, authorization: `Bearer ${await issue()}` }),
      401,
      'invalid_token',
    ],
    ['the agent of the token', () => bearer('support-agent'), 403, 'insufficient_scope'],
    ['a tool', () => bearer('tool'), 403, 'insufficient_scope'],
  ])('is told nothing: %s', async (_, headers, status, error) => {
    const form = `${new URLSearchParams({ token: await issue() })}`;
    const answer = await world.post('/introspect', form, await headers());
    expect([answer.status, answer.body.error, answer.body.active]).toEqual([status, error, undefined]);
    expect(answer.headers.get('www-authenticate')).toBe(`Bearer error="${error}"`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it.each([
    ['no token', ''],
    ['an empty token', 'token='],
    ['two tokens', 'token=a&token=b'],
    ['malformed text', 'token=%ff'],
  ])('sends a form with one token: %s is refused, and told', async (_, form) => {
    const answer = await world.post('/introspect', form, await bearer(API));
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request']);
    const { rows } = await sql<{ endpoint: string }>`
      select convert_from(body, 'UTF8')::jsonb ->> 'endpoint' as endpoint from audit_events
      where name = 'caller.rejected' and position(convert_to('introspection_malformed', 'UTF8') in body) > 0`.execute(
      world.database.db,
    );
    expect(rows).toEqual([{ endpoint: '/introspect' }]);
  });
});
