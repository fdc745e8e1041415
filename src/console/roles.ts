/** Which parts of the console Entra's app roles open. What may be voted on is decided by `src/access/check-vote.ts`. */
import { APPROVER_ROLE_PREFIX } from '../access/quorum.ts';

/** Roles that may read every trace and the audit trail. */
const READER_ROLES: ReadonlySet<string> = new Set(['Auditor', 'Operator', 'SecurityAdmin']);

export const mayReadTrail = (roles: readonly string[]): boolean =>
  roles.some((role) => READER_ROLES.has(role));

/** Ending grants and revoking tokens. */
export const mayTakeBack = (roles: readonly string[]): boolean => roles.includes('Operator');

/** Setting and lifting kill switches. */
export const mayBlock = (roles: readonly string[]): boolean => roles.includes('SecurityAdmin');

/** Whether the queue opens; what it then shows depends on the groups. */
export const mayApprove = (roles: readonly string[]): boolean =>
  roles.some((role) => role === 'Approver' || role.startsWith(APPROVER_ROLE_PREFIX));
