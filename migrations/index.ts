import type { Migration } from 'kysely/migration';
import * as exchange from './0001-exchange.ts';
import * as keyRotation from './0003-key-rotation.ts';
import * as usedProofs from './0004-used-proofs.ts';
import * as revocations from './0005-revocations.ts';
import * as votes from './0006-votes.ts';
import * as tokenPages from './0008-token-pages.ts';
import * as approvalPages from './0009-approval-pages.ts';
import * as openedAssertions from './0010-opened-assertions.ts';
import * as grantStart from './0011-grant-start.ts';
import * as stillInForce from './0012-still-in-force.ts';
import * as keyWithdrawal from './0014-key-withdrawal.ts';
import * as decidedBy from './0015-decided-by.ts';

/** Every migration by its number; expand-only, so that two versions of the broker can run side by side. */
export const migrations: Record<string, Migration> = {
  '0001-exchange': exchange,
  '0003-key-rotation': keyRotation,
  '0004-used-proofs': usedProofs,
  '0005-revocations': revocations,
  '0006-votes': votes,
  '0008-token-pages': tokenPages,
  '0009-approval-pages': approvalPages,
  '0010-opened-assertions': openedAssertions,
  '0011-grant-start': grantStart,
  '0012-still-in-force': stillInForce,
  '0014-key-withdrawal': keyWithdrawal,
  '0015-decided-by': decidedBy,
};
