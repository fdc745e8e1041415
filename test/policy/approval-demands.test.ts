import { describe, expect, it } from 'vitest';
import { askingRule, bundleOf, openEngine, question } from './bundles.ts';

const both = question({ scopes: ['read', 'write'] });

describe('what rules ask of approvers', () => {
  it('is in the answer of a module that was compiled before they could ask for it', async () => {
    const rule = askingRule({
      groups: ['one', 'two'],
      required_groups: ['two', 'one'],
      quorum: 2,
      deny_quorum: 2,
      sign_in_max_age_seconds: 300,
      authentication_context: 'c1',
    });
    const engine = await openEngine(await bundleOf({ rules: [rule] }));
    expect((await engine.decide(question())).approval).toEqual({
      groups: ['one', 'two'],
      requiredGroups: ['one', 'two'],
      quorum: 2,
      denyQuorum: 2,
      signInSeconds: 300,
      authenticationContexts: ['c1'],
      pendingSeconds: 900,
      pickupSeconds: 300,
    });
  });

  it('is one denial and a sign-in of the last hour, if they ask for nothing', async () => {
    const engine = await openEngine(await bundleOf({ rules: [askingRule()] }));
    expect((await engine.decide(question())).approval).toMatchObject({
      requiredGroups: [],
      denyQuorum: 1,
      signInSeconds: 3600,
      authenticationContexts: [],
    });
  });

  it('is of several rules everything together: the strictest, and the fewest to deny', async () => {
    const read = askingRule({
      id: 'a',
      groups: ['one', 'two', 'three'],
      required_groups: ['one'],
      deny_quorum: 3,
    });
    const write = askingRule({
      id: 'b',
      groups: ['one', 'two', 'three'],
      required_groups: ['two'],
      deny_quorum: 2,
      sign_in_max_age_seconds: 120,
      authentication_context: 'c2',
    });
    const rules = [read, { ...write, scopes: ['write'] }];
    const engine = await openEngine(await bundleOf({ rules }));
    expect((await engine.decide(both)).approval).toMatchObject({
      groups: ['one', 'three', 'two'],
      requiredGroups: ['one', 'two'],
      quorum: 2,
      denyQuorum: 2,
      signInSeconds: 120,
      authenticationContexts: ['c2'],
    });
  });

  it('is a denial where a group must approve that by another rule may not', async () => {
    const read = askingRule({ id: 'a', groups: ['one', 'two'], required_groups: ['two'] });
    const write = askingRule({ id: 'b', groups: ['one'] });
    const engine = await openEngine(await bundleOf({ rules: [read, { ...write, scopes: ['write'] }] }));
    expect(await engine.decide(both)).toMatchObject({ decision: 'deny', rule: 'no-common-group' });
  });
});
