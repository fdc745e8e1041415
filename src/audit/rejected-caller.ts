/** Callers that must prove themselves by a Bearer assertion (RFC 6750) and did not: APIs, and tools that read pages. */
import type { AssertionReason } from '../reasons/assertion.ts';
import { CALLER_REASONS, type CallerReason } from '../reasons/caller.ts';
import type { ClientAnswer } from '../reasons/explanation.ts';
import type { Refusals } from './refusals.ts';

export type RejectedCaller =
  | { readonly assertion: AssertionReason }
  | {
      readonly caller: CallerReason;
      /** Whom the assertion names, where it was good. */
      readonly workload?: { readonly tenant: string; readonly object: string };
    };

/** What an assertion that is not believed looks like outside, whatever the reason. */
const UNPROVEN: ClientAnswer = { status: 401, error: 'invalid_token' };

/** Tells a rejected caller, and answers what the caller may see. `endpoint` is the path it came to. */
export const tellRejectedCaller = async (
  refusals: Refusals,
  rejected: RejectedCaller,
  call: { readonly endpoint: string; readonly network: string; readonly traceId: string },
): Promise<ClientAnswer> => {
  const { endpoint, network, traceId } = call;
  if ('assertion' in rejected) {
    const { assertion: reason } = rejected;
    await refusals.tell(`assertion ${reason} ${endpoint}`, [
      { name: 'assertion.rejected', traceId, data: { reason, endpoint, network } },
    ]);
    return UNPROVEN;
  }
  const { caller: reason, workload } = rejected;
  await refusals.tell(`caller ${reason} ${endpoint} ${workload?.tenant ?? ''} ${workload?.object ?? ''}`, [
    { name: 'caller.rejected', traceId, data: { reason, endpoint, network, ...workload } },
  ]);
  return CALLER_REASONS[reason].client;
};
