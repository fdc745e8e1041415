/** A policy that was in force for a moment: what it decided is not issued under the one before, which is back by then. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { PolicyEngine } from '../../src/policy/engine.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import { bundleOf, openEngine, permitRule, shippedBundle } from '../policy/bundles.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { until } from '../support/fact.ts';

/** What happens to the broker's engine before it is asked. */
let meanwhile = async (_engine: PolicyEngine): Promise<void> => undefined;

vi.mock('../../src/policy/engine.ts', async (original) => {
  const { openPolicyEngine, ...rest } = await original<typeof import('../../src/policy/engine.ts')>();
  return {
    ...rest,
    openPolicyEngine: (options: Parameters<typeof openPolicyEngine>[0]): PolicyEngine => {
      const engine = openPolicyEngine(options);
      const decide: PolicyEngine['decide'] = async (input) => {
        await meanwhile(engine);
        return engine.decide(input);
      };
      return { ...engine, decide };
    },
  };
});

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const DELETE = { audience: 'api://operations.prod', scope: 'database.delete' };

it('permits nothing that the policy in force denies', async () => {
  const engine = await openEngine();
  const before = shippedBundle();
  const permitting = await bundleOf({
    rules: [{ ...permitRule(), resource: DELETE.audience, scopes: [DELETE.scope], agents: ['ops-agent'] }],
  });
  const revisions = { before: await engine.load(before), permitting: await engine.load(permitting) };
  const note = { reason: 'test', appliedBy: 'test' };

  meanwhile = async (asked) => {
    meanwhile = async () => undefined;
    await activatePolicy(world.database, permitting, revisions.permitting, note);
    await until(async () => asked.revision() === revisions.permitting || undefined);
    await activatePolicy(world.database, before, revisions.before, note);
  };
  const subject_token = await world.assertion('ops-agent');
  const { body } = await world.exchange({ ...DELETE, subject_token });
  expect(body).toMatchObject({ error: 'access_denied' });
  expect(body).not.toHaveProperty('access_token');
});
