/** Bundles, engines and questions for the tests of policy. */
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { type BundleContent, readBundle, writeBundle } from '../../src/policy/bundle.ts';
import type { PolicyInput } from '../../src/policy/decision.ts';
import { openPolicyEngine, type PolicyEngine } from '../../src/policy/engine.ts';
import { tableOf } from '../../src/policy/rule-table.ts';
import type { Rule } from '../../src/policy/rules.ts';

const root = new URL('../../', import.meta.url);

/** A file of the folder `policies`. */
export const policyFile = (name: string): Buffer => readFileSync(new URL(`policies/${name}`, root));

/** A compiled fixture: `misbehaving`, `no-explanation` or `host-function`. */
export const fixture = (name: string): Buffer =>
  readFileSync(new URL(`test/policy/fixtures/${name}.wasm`, root));

/** The bundle that the product ships. */
export const shippedBundle = (): Buffer => policyFile('bundle.tar.gz');

type ApprovalRule = Extract<Rule, { decision: 'needs_approval' }>['approval'];

const PERMIT: Extract<Rule, { decision: 'permit' }> = {
  id: 'read',
  resource: 'api://thing.prod',
  scopes: ['read'],
  agents: ['agent'],
  decision: 'permit',
  token_seconds: 40,
  public_reason: 'Told to the agent.',
  internal_reason: 'Told to people.',
};

/** A rule that permits `agent` to read the thing in production, with something changed. */
export const permitRule = (change: Partial<typeof PERMIT> = {}): Rule => ({ ...PERMIT, ...change });

/** The same, of which people are asked, with something changed in what is asked of them. */
export const askingRule = ({
  id = 'read',
  ...approval
}: Partial<ApprovalRule> & { readonly id?: string } = {}): Rule => ({
  ...PERMIT,
  id,
  decision: 'needs_approval',
  grant_seconds: 900,
  approval: { groups: ['one'], quorum: 1, pending_seconds: 900, pickup_seconds: 300, ...approval },
});

/** A bundle of the shipped module and the given rules, or of other parts. */
export const bundleOf = async (
  parts: Partial<BundleContent> & { readonly rules?: readonly Rule[] } = {},
): Promise<Uint8Array> => {
  const { wasm, compilation } = await readBundle(shippedBundle());
  const { rules = [permitRule()], ...content } = parts;
  return writeBundle({ wasm, compilation, table: tableOf(rules), cases: { cases: [] }, ...content });
};

/** A bundle whose policy misbehaves as its agent is called. */
export const misbehavingBundle = (): Promise<Uint8Array> =>
  bundleOf({ wasm: fixture('misbehaving'), rules: [askingRule({ id: 'good' })] });

/** An engine that is closed at the end of the test, with a bundle loaded if one is given. */
export const openEngine = async (bundle?: Uint8Array): Promise<PolicyEngine> => {
  const engine = openPolicyEngine({ logger: pino({ level: 'silent' }) });
  onTestFinished(() => engine.close());
  if (bundle) await engine.load(bundle);
  return engine;
};

/** A question that `permitRule()` permits, with something changed. */
export const question = (change: Partial<PolicyInput> = {}): PolicyInput => ({
  now: 1_800_000_000,
  agent: { id: 'agent', environment: null },
  workload: { tenant: 't', object: 'o', application: 'a', credential: 'secret', roles: [] },
  resource: { audience: 'api://thing.prod', environment: 'prod', sensitivity: 'low' },
  scopes: ['read'],
  authorization_details: [],
  key_bound: false,
  ...change,
});

/** The question of an agent of this name. */
export const asks = (id: string, change: Partial<PolicyInput> = {}): PolicyInput =>
  question({ agent: { id, environment: null }, ...change });
