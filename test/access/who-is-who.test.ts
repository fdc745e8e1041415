import { describe, expect, it } from 'vitest';
import { countedPeople, isOwner, isSamePerson, peopleBehind } from '../../src/access/who-is-who.ts';
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
