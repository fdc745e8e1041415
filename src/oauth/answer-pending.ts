/** What a repeat is told while people have not decided. */
import { expireRequests } from '../access/end.ts';
import type { Found, FoundRequest } from '../access/find-request.ts';
import { spendProof } from '../access/used-proofs.ts';
import { INTERVAL_SECONDS, type Pace } from '../storage/coordination.ts';
import type { Exchange, ExchangeParts } from './exchange-parts.ts';
import type { Outcome } from './outcome.ts';

/** Null: its time is over; look again. */
export const answerPending = async (
  parts: ExchangeParts,
  exchange: Exchange,
  found: Found,
  request: FoundRequest,
): Promise<Outcome | null> => {
  const { caller, proven, held } = exchange;
  const agentId = caller.agent.id;
  const leftMs = request.expiresAt.getTime() - found.now.getTime();
  if (leftMs <= 0) {
    await expireRequests(parts.database, [{ requestId: request.id, agentId, grantId: null }]);
    return null;
  }
  // After a wait this is the answer to the call that was let wait, which was counted then.
  const over = held === null ? await caller.allowance.takePoll() : null;
  if (over !== null) return over;
  const waits = exchange.mayWait && parts.decisionWaits.hasRoom({ requestId: request.id, agentId });
  const key = `${request.id} ${caller.workload.assertionId}`;
  const pace = held ?? (waits ? NO_REPEAT : await parts.pace(key, false));
  // Where nothing else is written a proof costs a write of its own, so only a repeat that keeps the pace is worth one.
  const proof = proven?.proofDigest ?? null;
  if (proof !== null && !pace.early) await spendProof(parts.database, proof);
  if (!pace.early) caller.allowance.giveBack();
  return {
    kind: 'pending',
    requestId: request.id,
    agentId,
    intervalSeconds: pace.intervalSeconds,
    expiresInSeconds: Math.ceil(leftMs / 1000),
    early: pace.early,
  };
};

/** Whoever is let wait does not come too early: it is answered when there is something to tell. */
const NO_REPEAT: Pace = { early: false, intervalSeconds: INTERVAL_SECONDS };
