/** A rule with `refuse_client_secret`: what signs in to Entra with a signed proof gets in, a shared secret does not. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Rule } from '../../src/policy/rules.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import { bundleOf, openEngine, permitRule, shippedBundle } from '../policy/bundles.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { newestEvent, signInAs, signInV1 } from '../support/entra-modes.ts';
import { checkPromises } from '../support/promises.ts';
import { READ } from './expect-refusal.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const RULED = { resource: 'api://knowledge.prod', scopes: ['articles.read'], agents: ['support-agent'] };
const certified = permitRule({ ...RULED, id: 'certified', refuse_client_secret: true });

const activate = async (...rules: Rule[]): Promise<void> => {
  const bundle = rules.length === 0 ? shippedBundle() : await bundleOf({ rules });
  const revision = await (await openEngine()).load(bundle);
  await activatePolicy(world.database, bundle, revision, { reason: 'test', appliedBy: 'test' });
};

const read = (subject_token: string, request_id?: string) =>
  world.exchange({ ...READ, subject_token, request_id });

it.each(['certificate', 'federated'] as const)('permits a workload with a %s', async (kind) => {
  await activate(certified);
  expect((await read(await signInAs(world.entra, 'support-agent', kind))).status).toBe(200);
});

it('refuses a client secret, tells the agent what to do, and the trail why', async () => {
  await activate(certified);
  for (const token of [
    await signInAs(world.entra, 'support-agent', 'secret'),
    await signInV1(world.entra, 'support-agent', 'api://countersign'),
  ]) {
    const { status, body } = await read(token);
    expect({ status, error: body.error, token: body.access_token }).toEqual({
      status: 400,
      error: 'access_denied',
    });
    expect(body.reason).toBe('This action needs a workload that signs in to Entra without a client secret.');
    expect(await newestEvent(world, 'policy.decided')).toMatchObject({
      decision: 'deny',
      rule: 'certified',
      internal_reason:
        'A matching rule refuses client secrets, and the workload signed in to Entra with one.',
    });
  }
});

it('refuses a public client, which proved nothing to Entra', async () => {
  await activate(certified);
  const assertion = await world.assertion('support-agent', { claims: { azpacr: '0' } });
  expect((await read(assertion)).body.error).toBe('access_denied');
});

it('refuses a secret on the repeat of what a certificate was permitted before', async () => {
  await activate(certified);
  expect((await read(await signInAs(world.entra, 'support-agent', 'certificate'), 'mixed')).status).toBe(200);
  const repeat = await read(await signInAs(world.entra, 'support-agent', 'secret'), 'mixed');
  expect(repeat.body.error).toBe('access_denied');
  expect(repeat.body.access_token).toBeUndefined();
});

it('takes back what was permitted to a secret before', async () => {
  await activate();
  const secret = await signInAs(world.entra, 'support-agent', 'secret');
  expect((await read(secret, 'before-the-rule')).status).toBe(200);
  await activate(certified);
  expect((await read(secret, 'before-the-rule')).body.error).toBe('access_denied');
});
