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
  const agentId = exchange.caller.agent.id;
  if (request.expiresAt <= found.now) {
    await expireRequests(parts.database, [{ requestId: request.id, agentId, grantId: null }]);
    return null;
  }
  const leftMs = request.expiresAt.getTime() - found.now.getTime();
  return tellPending(parts, exchange, { requestId: request.id, leftMs, startsAt: null });
};

/** What there is to wait for: a decision, or the begin of what was approved. */
export type Awaited = {
  readonly requestId: string;
  /** How long waiting is of any use. */
  readonly leftMs: number;
  readonly startsAt: Date | null;
};

/** Tells whoever repeats to wait on, at its pace. */
export const tellPending = async (
  parts: ExchangeParts,
  exchange: Exchange,
  { requestId, leftMs, startsAt }: Awaited,
): Promise<Outcome> => {
  const { caller, proven, held } = exchange;
  const agentId = caller.agent.id;
  // After a wait this is the answer to the call that was let wait, which was counted then.
  const over = held === null ? await caller.allowance.takePoll() : null;
  if (over !== null) return over;
  const waits = exchange.mayWait && parts.decisionWaits.hasRoom({ requestId, agentId });
  const key = `${requestId} ${caller.workload.assertionId}`;
  const pace = held ?? (waits ? NO_REPEAT : await parts.pace(key, false));
  // Where nothing else is written a proof costs a write of its own, so only a repeat that keeps the pace is worth one.
  const proof = proven?.proofDigest ?? null;
  if (proof !== null && !pace.early) await spendProof(parts.database, proof);
  if (!pace.early) caller.allowance.giveBack();
  return {
    kind: 'pending',
    requestId,
    agentId,
    intervalSeconds: pace.intervalSeconds,
    expiresInSeconds: Math.ceil(leftMs / 1000),
    startsAt,
    early: pace.early,
  };
};

/** Whoever is let wait does not come too early: it is answered when there is something to tell. */
const NO_REPEAT: Pace = { early: false, intervalSeconds: INTERVAL_SECONDS };
