/** A rule with `require_key_binding`: bearers are told to send a proof, holders of a key get what it permits. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Rule } from '../../src/policy/rules.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import { bundleOf, openEngine, permitRule, shippedBundle } from '../policy/bundles.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { createProver } from '../support/prover.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const RULED = { resource: 'api://knowledge.prod', scopes: ['articles.read'], agents: ['support-agent'] };
const keyed = permitRule({ ...RULED, require_key_binding: true });

const activate = async (...rules: Rule[]): Promise<void> => {
  const bundle = rules.length === 0 ? shippedBundle() : await bundleOf({ rules });
  const revision = await (await openEngine()).load(bundle);
  await activatePolicy(world.database, bundle, revision, { reason: 'test', appliedBy: 'test' });
};

const read = async (request_id: string, headers: Record<string, string> = {}): Promise<Answer> =>
  world.exchange(
    {
      subject_token: await world.assertion('support-agent'),
      audience: 'api://knowledge.prod',
      scope: 'articles.read',
      request_id,
    },
    { headers },
  );

it('tells the agent to send a proof, and permits it then (T75)', async () => {
  await activate(keyed);
  const without = await read('keyed');
  expect(without.status).toBe(400);
  expect(without.body).toMatchObject({
    error: 'invalid_dpop_proof',
    error_description: expect.stringContaining('send a DPoP proof'),
    request_id: expect.stringMatching(/^areq_/),
  });
  expect(await world.trace(without.body.request_id)).toContain('policy.decided');
  const key = await createProver();
  const answer = await read('keyed', { dpop: key.prove('POST', `${world.issuer}/token`) });
  expect(answer.body).toMatchObject({ token_type: 'DPoP', scope: 'articles.read' });
});

it('does not promise what a key would not change', async () => {
  const reasons = { public_reason: 'Not now.', internal_reason: 'Not now.' };
  await activate(keyed, { ...RULED, ...reasons, id: 'no', decision: 'deny' });
  expect((await read('never')).body).toMatchObject({ error: 'access_denied', reason: 'Not now.' });
});

it('takes back what was permitted to a bearer before', async () => {
  await activate();
  expect((await read('before-the-rule')).status).toBe(200);
  await activate(keyed);
  expect((await read('before-the-rule')).body.error).toBe('invalid_dpop_proof');
});
