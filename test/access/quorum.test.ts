import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conditionsOf, isApprovedBy, isApprovedByBoth } from '../../src/access/quorum.ts';
import { APPROVAL } from '../support/access.ts';
import { subset } from '../support/generated.ts';

const GROUPS = ['a', 'b', 'c'] as const;

/** Every way to give each group a person of its own, tried one by one. */
const canBeSeated = (groups: readonly string[], people: readonly (readonly string[])[]): boolean => {
  const [group, ...others] = groups;
  if (group === undefined) return true;
  return people.some((own, index) => own.includes(group) && canBeSeated(others, people.toSpliced(index, 1)));
};

describe('the people who approved', () => {
  it.each([
    ['are too few', [['a']], { quorum: 2, requiredGroups: [] }, false],
    ['are enough', [['a'], ['b']], { quorum: 2, requiredGroups: [] }, true],
    ['are of no group that may', [['a'], ['x']], { quorum: 2, requiredGroups: [] }, false],
    ['lack a group that must', [['a'], ['a']], { quorum: 2, requiredGroups: ['b'] }, false],
    [
      'have one person for two groups that must',
      [['a', 'b'], ['c']],
      { quorum: 2, requiredGroups: ['a', 'b'] },
      false,
    ],
    [
      'have one for each, whoever came first',
      [['a', 'b'], ['a']],
      { quorum: 2, requiredGroups: ['a', 'b'] },
      true,
    ],
    ['are nobody, and nobody is asked for', [], { quorum: 0, requiredGroups: [] }, false],
  ])('%s', (_name, people, conditions, approved) => {
    expect(isApprovedBy(people, { groups: GROUPS, ...conditions })).toBe(approved);
  });

  it('are enough exactly if so many may and each group that must has a person of its own', () => {
    fc.assert(
      fc.property(
        fc.array(subset([...GROUPS, 'x']), { maxLength: 6 }),
        subset(GROUPS),
        fc.integer({ min: 1, max: 4 }),
        (people, requiredGroups, quorum) => {
          const eligible = people.filter((own) => own.some((group) => group !== 'x'));
          expect(isApprovedBy(people, { groups: GROUPS, requiredGroups, quorum })).toBe(
            eligible.length >= quorum && canBeSeated(requiredGroups, eligible),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('stay enough when more come', () => {
    fc.assert(
      fc.property(
        fc.array(subset(GROUPS), { maxLength: 5 }),
        subset(GROUPS),
        subset(GROUPS),
        fc.nat({ max: 5 }),
        (people, more, requiredGroups, at) => {
          const conditions = { groups: GROUPS, requiredGroups, quorum: 2 };
          fc.pre(isApprovedBy(people, conditions));
          expect(isApprovedBy(people.toSpliced(at, 0, more), conditions)).toBe(true);
        },
      ),
    );
  });
});

describe('what a request was opened with and what its rule says now', () => {
  const terms = { groups: ['a', 'b'], quorum: 2 };
  it.each([
    ['both hold', [['a'], ['b']], { ...APPROVAL, groups: ['a'], quorum: 1 }, true],
    ['only what is asked now holds', [['a']], { ...APPROVAL, groups: ['a'], quorum: 1 }, false],
    ['only what was asked then holds', [['a'], ['b']], { ...APPROVAL, groups: ['a'], quorum: 2 }, false],
    ['nobody is asked any more', [['a'], ['b']], null, true],
    ['nobody is asked any more, and too few approved then', [['a']], null, false],
  ])('(%s)', (_name, people, asked, approved) => {
    expect(isApprovedByBoth(people, terms, asked)).toBe(approved);
  });

  it('are frozen as they were signed', () => {
    const signed = {
      ...terms,
      required_groups: ['b'],
      deny_quorum: 2,
      sign_in_seconds: 60,
      authentication_contexts: ['c1'],
    };
    expect(conditionsOf(signed)).toEqual({
      ...terms,
      requiredGroups: ['b'],
      denyQuorum: 2,
      signInSeconds: 60,
      authenticationContexts: ['c1'],
    });
  });

  it('are groups and a quorum where an earlier version knew no more', () => {
    expect(conditionsOf(terms)).toEqual({
      ...terms,
      requiredGroups: [],
      denyQuorum: 1,
      signInSeconds: 3600,
      authenticationContexts: [],
    });
  });
});
