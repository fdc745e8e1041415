/** What is asked for anew right after everything was taken back is not refused with it. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { setBlock } from '../../src/access/blocks.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const READ = { audience: 'api://knowledge.dev', scope: 'articles.read' };
const CLOSING = { kind: 'audience', subject: READ.audience, lasting: false } as const;

const ask = async (request_id: string) =>
  world.exchange({ subject_token: await world.assertion('support-agent'), ...READ, request_id });

it('never issues a token in a second whose tokens are refused', async () => {
  for (const round of ['first', 'second', 'third']) {
    await setBlock(world.database, CLOSING, { by: 'test', reason: 'test' });
    let answer = await ask(round);
    while (answer.status === 503) answer = await ask(round);
    const { iat } = JSON.parse(atob(answer.body.access_token.split('.')[1] ?? ''));
    const { rows } = await sql<{ last: number }>`
      select extract(epoch from max(until))::bigint as last from revocations where kind = 'audience'`.execute(
      world.database.db,
    );
    expect(iat).toBeGreaterThan(rows[0]?.last ?? 0);
  }
});
