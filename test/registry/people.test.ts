import { describe, expect, it } from 'vitest';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { diffRegistry } from '../../src/registry/registry-diff.ts';
import { parseRegistry } from '../../src/registry/registry-file.ts';
import { document, file, guid, problemsWith, resource, TENANT } from './entries.ts';

const account = (number: number) => ({ tenant: TENANT, object: guid(number) });
const RILEY = { id: 'riley', accounts: [account(0x201), account(0x301)] };

describe('a person with several accounts', () => {
  it('is found by each of them, in whatever case it is written', () => {
    const { accountsOf } = buildRegistry(1, parseRegistry([file(document({ people: [RILEY] }))]));
    const [first, second] = RILEY.accounts;
    for (const one of RILEY.accounts) {
      expect(accountsOf(one)).toEqual([first, second]);
      expect(accountsOf({ tenant: one.tenant.toUpperCase(), object: one.object.toUpperCase() })).toEqual([
        first,
        second,
      ]);
    }
    expect(accountsOf(account(0x999))).toEqual([account(0x999)]);
  });

  it.each([
    ['one account', [{ ...RILEY, accounts: [account(1)] }], 'at least two accounts'],
    ['the same account twice', [{ ...RILEY, accounts: [account(1), account(1)] }], 'is listed twice'],
    [
      'an account of somebody else',
      [RILEY, { id: 'sam', accounts: [account(0x301), account(0x401)] }],
      `the account ${guid(0x301)} is already at`,
    ],
    [
      'the name of somebody else',
      [RILEY, { id: 'riley', accounts: [account(5), account(6)] }],
      'person riley is already at',
    ],
    ['a mail address', [{ ...RILEY, accounts: ['riley@example.com', account(1)] }], 'expected object'],
  ])('is refused with %s', (_name, people, problem) => {
    expect(problemsWith({ people })).toContainEqual(expect.stringContaining(problem));
  });

  it('is told when it is added, changed and gone', () => {
    const changesOf = (before: (typeof RILEY)[], after: (typeof RILEY)[]) =>
      diffRegistry(document({ people: before }), document({ people: after })).changes.map(
        ({ entry, id, change }) => `${entry} ${id} ${change}`,
      );
    const changed = { ...RILEY, accounts: [account(0x201), account(0x302)] };
    expect(changesOf([], [RILEY])).toEqual(['person riley added']);
    expect(changesOf([RILEY], [changed])).toEqual(['person riley changed']);
    expect(changesOf([RILEY], [])).toEqual(['person riley disabled']);
    expect(changesOf([RILEY], [RILEY])).toEqual([]);
  });
});

it('knows agents and APIs from people', () => {
  const api = resource('api://knowledge.test', { workload: account(0x500) });
  const { isWorkload } = buildRegistry(1, document({ resources: [...document().resources, api] }));
  expect([account(1), account(0x500), account(0x201)].map(isWorkload)).toEqual([true, true, false]);
});
