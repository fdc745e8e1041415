/** Refusals that open nothing and change nothing are in the trail all the same, with their exact reason. */
import type { AuditEvent } from '../audit/event.ts';
import { networkOf } from '../http/network.ts';
import type { DoorReason } from '../reasons/door.ts';
import type { FormReason } from '../reasons/form.ts';
import type { Reason } from '../reasons.ts';
import type { Exchange, ExchangeCall, ExchangeParts } from './exchange-parts.ts';
import { type Refused, refused } from './outcome.ts';

/** Where a call came from, and to: `endpoint` is its path where that is not `/token`. */
export type CallOrigin = Pick<ExchangeCall, 'address' | 'traceId'> & { readonly endpoint?: string };

/** Tells what is malformed, before anybody is identified, of the network it came from. */
export const tellMalformed = async (
  { refusals }: Pick<ExchangeParts, 'refusals'>,
  { address, traceId, endpoint }: CallOrigin,
  reason: Reason | FormReason | DoorReason,
): Promise<void> => {
  const data = { reason, network: networkOf(address), ...(endpoint !== undefined && { endpoint }) };
  await refusals.tell(`malformed ${reason} ${endpoint ?? ''}`, [{ name: 'request.refused', traceId, data }]);
};

/** Tells what the front door refused. What cannot be written then is an outage, which is told elsewhere. */
export const tellAtDoor =
  (parts: Pick<ExchangeParts, 'refusals'>) =>
  (reason: DoorReason, from: CallOrigin): void =>
    void tellMalformed(parts, from, reason).catch(() => undefined);

/** Refuses what is no exchange by its parameters. */
export const refuseMalformed = async (
  parts: Pick<ExchangeParts, 'refusals'>,
  call: CallOrigin,
  reason: Reason,
): Promise<Refused> => {
  await tellMalformed(parts, call, reason);
  return refused(reason, null);
};

/** Refuses a repeat of a request that is over, or (`requestId` null) of one that this agent does not have. */
export const refuseRepeat = async (
  parts: ExchangeParts,
  { caller, target }: Exchange,
  { reason, requestId }: { readonly reason: Reason; readonly requestId: string | null },
): Promise<Refused> => {
  const { audience, scopes } = target.asked;
  await parts.refusals.tell(`repeat ${reason} ${requestId ?? ''}`, [
    {
      name: 'request.refused',
      requestId,
      agentId: caller.agent.id,
      traceId: caller.traceId,
      data: { reason, audience, scopes },
    },
  ]);
  return refused(reason, requestId);
};

/** A decision that refuses says why, so that it is found by its reason like every other refusal. */
export const withReason = (event: AuditEvent, reason: Reason): AuditEvent => ({
  ...event,
  data: { ...event.data, reason },
});
