/** A credential that rounds to no seconds left is not worth handing out. */
import { expect, it } from 'vitest';
import { nextDelivery } from '../../src/access/issue-token.ts';

const now = new Date('2026-01-01T00:00:00Z');
const after = (milliseconds: number): Date => new Date(now.getTime() + milliseconds);

it.each([
  [1_000, 'last'],
  [999, 'none'],
] as const)('with %i ms left and no successor allowed, what is delivered is: %s', (left, next) => {
  const current = { issuedAt: after(left - 45_000), expiresAt: after(left) };
  const grant = { tokensLeft: 0, tokenSeconds: 45, approvedUntil: after(left), current };
  expect(nextDelivery(grant, now)).toBe(next);
});
