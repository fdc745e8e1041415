/** `countersign block` and `countersign revoke` against a running broker's database. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { block } from '../../src/commands/block.ts';
import { type Command, UsageError } from '../../src/commands/command.ts';
import { revoke } from '../../src/commands/revoke.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const WHY = ['--reason', 'it misbehaves'];
const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

const run = async (command: Command, ...args: string[]) => {
  let output = '';
  const write = (text: string): void => {
    output += text;
  };
  const code = await command.run(args, {
    environment: { COUNTERSIGN_DATABASE: world.applicationDsn },
    write,
    writeError: write,
    logger: pino({ level: 'silent' }),
  });
  return { code, output };
};
const ask = async (parameters: Record<string, string> = {}) =>
  world.exchange({ subject_token: await world.assertion('support-agent'), ...READ, ...parameters });
const jtiOf = (jwt: string): string => JSON.parse(atob(jwt.split('.')[1] ?? '')).jti;
const eventsOf = async (name: string) =>
  (
    await sql<{ body: Record<string, unknown> }>`
      select convert_from(body, 'UTF8')::jsonb as body from audit_events where name = ${name} order by position`.execute(
      world.database.db,
    )
  ).rows.map(({ body }) => body);

it('takes one token back: it is told to APIs, and the agent gets another under its grant', async () => {
  const first = await ask({ request_id: 'one' });
  const jti = jtiOf(first.body.access_token);
  expect(await run(revoke, '--token', jti, ...WHY)).toEqual({ code: 0, output: `token ${jti}: revoked\n` });
  const again = await run(revoke, '--token', jti, '--json', ...WHY);
  expect(JSON.parse(again.output)).toEqual({ kind: 'token', subject: jti, result: 'was over already' });
  const next = await ask({ request_id: 'one' });
  expect(next.body.request_id).toBe(first.body.request_id);
  expect(jtiOf(next.body.access_token)).not.toBe(jti);
  expect(await eventsOf('token.revoked')).toMatchObject([
    { jti, by: 'command line', cause: 'it misbehaves', agent: 'support-agent' },
  ]);
  await vi.waitFor(async () => {
    const payload = JSON.parse(atob((await world.get('/revocations')).body.split('.')[1] ?? ''));
    expect(payload.revoked).toMatchObject([{ jti }]);
  }, 5_000);
});

it('ends a grant by its request: the agent is refused from then on', async () => {
  const { body } = await ask({ request_id: 'two' });
  expect((await run(revoke, '--grant', body.request_id, ...WHY)).code).toBe(0);
  const repeat = await ask({ request_id: 'two' });
  expect([repeat.body.error, repeat.body.reason]).toEqual(['access_denied', 'the grant was revoked']);
  expect((await eventsOf('grant.ended')).at(-1)).toMatchObject({ reason: 'revoked', by: 'command line' });
});

it('sets a block, lists it and lifts it, with an event each', async () => {
  const as = '11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222';
  const set = await run(block, 'set', '--agent', 'support-agent', '--as', as, '--json', ...WHY);
  const { id, already } = JSON.parse(set.output);
  expect(already).toBe(false);
  expect((await ask()).body.reason).toBe('this is closed for now');
  const { items } = JSON.parse((await run(block, 'list', '--json')).output);
  expect(items).toMatchObject([
    { id, kind: 'agent', subject: 'support-agent', set_by: `claimed:${as}`, lifted_at: null },
  ]);
  expect((await run(block, 'lift', id, '--reason', 'mended')).code).toBe(0);
  expect((await run(block, 'lift', id, '--reason', 'mended')).code).toBe(1);
  expect((await run(block, 'list')).output).toMatch(/^lifted {2}agent support-agent since /);
  expect(await eventsOf('block.set')).toMatchObject([{ block: id, cause: 'it misbehaves' }]);
  expect(await eventsOf('block.lifted')).toMatchObject([{ block: id, cause: 'mended' }]);
});

it.each([
  ['a token', revoke, ['--token', 'tok_none']],
  ['a grant', revoke, ['--grant', 'areq_none']],
  ['an agent', revoke, ['--agent', 'nobody']],
  ['an API to block', block, ['set', '--resource', 'api://nowhere']],
  ['an environment', block, ['set', '--environment', 'moon']],
] as const)('says that there is no such thing of %s', async (_, command, args) => {
  const { code, output } = await run(command, ...args, ...WHY);
  expect([code, output]).toEqual([1, expect.stringContaining('there is no')]);
});

it.each([
  ['no target', revoke, WHY],
  ['two targets', revoke, ['--all', '--agent', 'support-agent', ...WHY]],
  ['no reason', revoke, ['--all']],
  ['no reason for a block', block, ['set', '--all']],
  ['no action', block, WHY],
  ['nothing to lift', block, ['lift', ...WHY]],
  ['two environments', block, ['set', '--environment', 'prod', '--environment', 'dev', ...WHY]],
  ['two tokens', revoke, ['--token', 'tok_one', '--token=tok_two', ...WHY]],
  ['two reasons', revoke, ['--agent', 'support-agent', ...WHY, ...WHY]],
  ['a reason that nobody sees', revoke, ['--agent', 'support-agent', '--reason', '\u3164']],
  ['a reason of two lines', revoke, ['--agent', 'support-agent', '--reason', 'one\u2028two']],
] as const)('takes %s for wrong usage', async (_, command, args) => {
  await expect(run(command, ...args)).rejects.toThrow(UsageError);
});
