/** What the console refuses is in the trail, by person and network; equal refusals within a minute are counted in one. */
import { networkOf } from '../http/network.ts';
import type { ForgeryReason, PageReason, SignInReason } from '../reasons/console.ts';
import type { VoteReason } from '../reasons/vote.ts';
import type { ConsoleContext, ConsoleParts } from './console-parts.ts';

export type ConsoleRefusal =
  | { readonly event: 'csrf.blocked'; readonly reason: ForgeryReason }
  | { readonly event: 'console.sign_in_refused'; readonly reason: SignInReason }
  | { readonly event: 'console.refused'; readonly reason: PageReason };

const factsOf = ({ state }: ConsoleContext) => {
  const { session } = state;
  return {
    network: networkOf(state.clientAddress),
    ...(session !== null && { person: { tenant: session.tenant, object: session.object } }),
  };
};

const personOf = ({ state: { session } }: ConsoleContext): string =>
  session === null ? '' : `${session.tenant} ${session.object}`;

export const tellRefusal = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  { event, reason }: ConsoleRefusal,
): Promise<void> => {
  const { traceId } = context.state;
  await parts.refusals.tell(`${event} ${reason} ${personOf(context)}`, [
    { name: event, traceId, data: { reason, ...factsOf(context) } },
  ]);
};

/** Tells a vote, or the lifting of a denial, that did not get as far as being counted; `request` null: there is none for this person. */
export const tellRefusedVote = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  vote: {
    readonly refused: VoteReason;
    readonly verdict: 'approve' | 'deny' | 'lift';
    readonly request: { readonly requestId: string; readonly agentId: string } | null;
  },
): Promise<void> => {
  const { refused, verdict, request } = vote;
  const { person, network } = factsOf(context);
  await parts.refusals.tell(`vote ${refused} ${personOf(context)} ${request?.requestId ?? ''}`, [
    {
      name: 'approval.refused',
      requestId: request?.requestId ?? null,
      agentId: request?.agentId ?? null,
      traceId: context.state.traceId,
      data: { refused, verdict, network, ...(person !== undefined && { approver: person }) },
    },
  ]);
};
