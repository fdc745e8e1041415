import { describe, expect, it } from 'vitest';
import { countedPeople, isOwner, isSamePerson, peopleBehind, whoIsWho } from '../../src/access/who-is-who.ts';
import type { Agent, Registry } from '../../src/registry/registry.ts';
import { approver, whoIs } from '../support/access.ts';

const [riley, guest, sam] = [approver(), approver(), approver()];
const by = (account: typeof riley, ...groups: string[]) => ({ ...account, groups });
const VOTES = [by(riley, 'payroll'), by(sam, 'payroll'), by(guest, 'security')];

describe('the people behind votes', () => {
  it('are as many as the votes while nobody has two accounts', () => {
    expect(peopleBehind(VOTES, whoIs({}))).toEqual([['payroll'], ['payroll'], ['security']]);
  });

  it('are one where two accounts are one person’s, in the groups of both', () => {
    const who = whoIs({ accounts: [guest, riley] });
    expect(peopleBehind(VOTES, who)).toEqual([['payroll', 'security'], ['payroll']]);
    expect(isSamePerson(who, riley, { ...guest, object: guest.object.toUpperCase() })).toBe(true);
    expect(isSamePerson(who, riley, sam)).toBe(false);
  });
});

describe('approvals', () => {
  it.each([
    ['an owner', { owners: [sam] }, [['payroll'], ['security']]],
    ['an owner by another account', { owners: [guest], accounts: [riley, guest] }, [['payroll']]],
    ['an agent or an API', { workloads: [guest] }, [['payroll'], ['payroll']]],
  ])('of %s do not count', (_name, known, left) => {
    expect(countedPeople(VOTES, whoIs(known))).toEqual(left);
  });

  it('of everybody count where nobody owns the agent', () => {
    expect(countedPeople(VOTES, whoIs({}))).toHaveLength(3);
    expect(isOwner(whoIs({}), riley)).toBe(false);
  });
});

describe('who answers for an agent', () => {
  const { accountsOf, isWorkload } = whoIs({ accounts: [riley, guest] });
  const agent = { owners: [riley], sponsors: [sam] } as unknown as Agent;
  const registry = { agents: new Map([['a', agent]]), accountsOf, isWorkload } as unknown as Registry;

  it('are its owners and sponsors, by all their accounts', () => {
    const who = whoIsWho(registry, 'a');
    expect(who).toEqual({ owners: [riley, guest, sam], accountsOf, isWorkload });
    expect(who && [riley, guest, sam, approver()].map((account) => isOwner(who, account))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('cannot be told of one that this replica does not know', () => {
    expect(whoIsWho(registry, 'b')).toBeNull();
  });
});
