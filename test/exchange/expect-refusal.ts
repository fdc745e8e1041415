import { sql } from 'kysely';
import { expect } from 'vitest';
import type { TestWorld } from '../support/broker.ts';

export const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

export type Parameters = Readonly<Record<string, string | undefined>>;

const countTokensAndRequests = async ({ database }: TestWorld): Promise<unknown> =>
  (
    await sql`select (select count(*) from tokens), (select count(*) from access_requests) as requests`.execute(
      database.db,
    )
  ).rows;

/**
 * Asks as the support agent for what it would get, but for `parameters`, and demands that this is refused with `error`
 * and leaves neither a token nor an access request.
 */
export const expectRefusal = async (
  world: TestWorld,
  parameters: Parameters,
  error: string,
): Promise<void> => {
  const before = await countTokensAndRequests(world);
  const subject_token = await world.assertion('support-agent');
  const { status, body } = await world.exchange({ subject_token, ...READ, ...parameters });
  expect({ status, error: body.error, token: body.access_token }).toEqual({ status: 400, error });
  expect(await countTokensAndRequests(world)).toEqual(before);
};
