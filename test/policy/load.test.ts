import { describe, expect, it } from 'vitest';
import { BundleRefused } from '../../src/policy/bundle.ts';
import { type RuleTable, tableOf } from '../../src/policy/rule-table.ts';
import { askingRule, bundleOf, fixture, openEngine, permitRule, question } from './bundles.ts';

describe('a bundle', () => {
  const other = permitRule({ id: 'other' });
  const example = (decision: 'permit' | 'needs_approval' | 'deny') => ({
    name: 'the agent reads',
    agent: 'agent',
    resource: question().resource,
    scopes: ['read'],
    expect: { decision },
  });

  it('takes over from the one before, while questions go on', async () => {
    const engine = await openEngine(await bundleOf());
    const first = engine.revision();
    const asking = Promise.all(Array.from({ length: 200 }, (_, now) => engine.decide(question({ now }))));
    const second = await engine.load(await bundleOf({ rules: [other] }));
    expect(second).not.toBe(first);
    expect(engine.revision()).toBe(second);
    for (const { rule, bundleRevision } of await asking) {
      expect([`read ${first}`, `other ${second}`]).toContain(`${rule} ${bundleRevision}`);
    }
    expect(await engine.decide(question())).toMatchObject({ rule: 'other', bundleRevision: second });
  });

  it('of two loaded at once, the later one stays', async () => {
    const engine = await openEngine();
    const [, second] = await Promise.all([
      engine.load(await bundleOf()),
      engine.load(await bundleOf({ rules: [other] })),
    ]);
    expect(engine.revision()).toBe(second);
    expect(await engine.decide(question())).toMatchObject({ rule: 'other' });
  });

  it.each([
    [
      'permits what says nothing',
      { wasm: fixture('misbehaving'), rules: [permitRule({ resource: 'fixture:careless' })] },
      'a question that says nothing is denied: it is not',
    ],
    [
      'permits what its cases deny',
      { cases: { cases: [example('deny')] } },
      'the agent reads: decision is "permit", expected "deny"',
    ],
    [
      'permits what its cases hold for approval',
      { cases: { cases: [example('needs_approval')] } },
      'expected "needs_approval"',
    ],
    [
      'denies what its cases permit',
      { rules: [], cases: { cases: [example('permit')] } },
      'decision is "deny", expected "permit"',
    ],
    ['asks for approval without a quorum', { table: tableWith({ quorum: undefined }) }, 'quorum'],
    ['asks for approval with a quorum of zero', { table: tableWith({ quorum: 0 }) }, 'quorum'],
    ['takes nobody to deny', { table: tableWith({ deny_quorum: 0 }) }, 'deny_quorum'],
    ['has no explanation', { wasm: fixture('no-explanation') }, 'no entrypoint countersign/explanation'],
    [
      'was compiled before rules could refuse client secrets, and has one that does',
      { wasm: fixture('misbehaving'), rules: [permitRule({ agents: ['good'], refuse_client_secret: true })] },
      'rule read refuses client secrets, and the compiled policy knows of it: decision is "permit"',
    ],
    ['needs a function of its host', { wasm: fixture('host-function') }, 'functions of its host: sprintf'],
    ['is not WebAssembly', { wasm: Buffer.from('module') }, 'is not WebAssembly'],
    ['is cut off in its module', { wasm: fixture('misbehaving').subarray(0, 50_000) }, 'is not WebAssembly'],
    ['speaks another ABI', { wasm: moduleOfAbi(2) }, 'unsupported ABI version 2'],
    ['says no ABI', { wasm: Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) }, 'its module does not start'],
  ])('is refused and the last good one stays, if it %s', async (_, parts, reason) => {
    const engine = await openEngine(await bundleOf());
    const revision = engine.revision();
    const loading = engine.load(await bundleOf(parts));
    await expect(loading).rejects.toBeInstanceOf(BundleRefused);
    await expect(loading).rejects.toThrow(reason);
    expect(engine.revision()).toBe(revision);
    expect(await engine.decide(question())).toMatchObject({ rule: 'read', bundleRevision: revision });
  });
});

/** Rules as somebody might write them into a bundle by hand. */
function tableWith(approval: object): RuleTable {
  const table = JSON.parse(JSON.stringify(tableOf([askingRule()])));
  Object.assign(table.rules['api://thing.prod'].read.read.approval, approval);
  return JSON.parse(JSON.stringify(table));
}

/** A module that exports nothing but a version: `(module (global (export "opa_wasm_abi_version") i32 (i32.const n)))`. */
function moduleOfAbi(version: number): Buffer {
  const name = Buffer.from('opa_wasm_abi_version');
  return Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    Buffer.from([6, 6, 1, 0x7f, 0, 0x41, version, 0x0b]),
    Buffer.from([7, name.length + 4, 1, name.length]),
    name,
    Buffer.from([3, 0]),
  ]);
}
