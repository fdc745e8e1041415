import { describe, expect, it } from 'vitest';
import { type Asking, compareWithHistory, type EarlierRequest } from '../../src/access/unusual.ts';

const NOW = new Date('2026-03-20T10:30:00Z');
const asking: Asking = { scopes: ['reports.read'], grantSeconds: 600, openedAt: NOW };

const daysAgo = (days: number, changes: Partial<EarlierRequest> = {}): EarlierRequest => ({
  scopes: ['reports.read'],
  grantSeconds: 600,
  openedAt: new Date(NOW.getTime() - days * 86_400_000),
  allowed: true,
  ...changes,
});
const minutesAgo = (minutes: number, changes: Partial<EarlierRequest> = {}): EarlierRequest =>
  daysAgo(minutes / 1440, changes);
const week = [1, 2, 3, 4, 5, 6, 7].map((days) => daysAgo(days));

describe('compared with what its agent did at that API before, a request', () => {
  it('that is like those that were allowed is not unusual', () => {
    expect(compareWithHistory(asking, week)).toEqual([]);
  });

  it('without any before it is the first', () => {
    expect(compareWithHistory(asking, [])).toEqual([{ kind: 'first_time' }]);
  });

  it('is not made usual by attempts that were never allowed', () => {
    const refused = week.map((request) => ({ ...request, allowed: false }));
    expect(compareWithHistory(asking, refused)).toEqual([{ kind: 'never_allowed', attempts: 7 }]);
    const wish = daysAgo(1, { scopes: ['payroll.export'], grantSeconds: 9000, allowed: false });
    const both = { ...asking, scopes: ['reports.read', 'payroll.export'], grantSeconds: 1200 };
    expect(compareWithHistory(both, [wish, ...week])).toEqual([
      { kind: 'new_scope', scopes: ['payroll.export'] },
      { kind: 'longer', seconds: 1200, longestBefore: 600 },
    ]);
  });

  it.each([
    ['11:59, an hour after what it knows', '2026-03-20T11:59:00Z', []],
    ['03:00', '2026-03-20T03:00:00Z', [{ kind: 'off_hours', hour: 3, days: 7 }]],
  ])('at %s is measured by its own hours', (_, time, facts) => {
    expect(compareWithHistory({ ...asking, openedAt: new Date(time) }, week)).toEqual(facts);
  });

  it('knows that midnight is near eleven in the evening', () => {
    const nights = [1, 2, 3, 4, 5].map((day) => ({
      ...daysAgo(0),
      openedAt: new Date(`2026-03-1${day}T23:30:00Z`),
    }));
    const midnight = { ...asking, openedAt: new Date('2026-03-20T00:10:00Z') };
    expect(compareWithHistory(midnight, nights.reverse())).toEqual([]);
  });

  it('has no unusual hour before there are habits', () => {
    const night = { ...asking, openedAt: new Date('2026-03-20T03:00:00Z') };
    expect(compareWithHistory(night, week.slice(0, 4))).toEqual([]);
  });

  it('among many at once is a burst, allowed or not, also where nothing older is left of the history', () => {
    const recent = [1, 2, 3].map((minutes) => minutesAgo(minutes, { allowed: false }));
    expect(compareWithHistory(asking, [...recent, ...week])).toEqual([
      { kind: 'burst', count: 4, minutes: 10 },
    ]);
    const flood = Array.from({ length: 200 }, (_, index) => minutesAgo(index / 40));
    expect(compareWithHistory(asking, flood)).toEqual([{ kind: 'burst', count: 201, minutes: 10 }]);
  });

  it('of an agent that always asks often is no burst', () => {
    const steady = Array.from({ length: 200 }, (_, index) => minutesAgo(2 + index * 2));
    expect(compareWithHistory(asking, steady)).toEqual([]);
  });
});
