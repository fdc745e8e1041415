/** What people may do only so often. */
import { addressPrefix } from '../http/network.ts';
import { exceededHeaders } from '../limits/exceeded.ts';
import { type Source, strangerAt } from '../limits/rate-limits.ts';
import { answerRefusal } from './answers.tsx';
import type { ConsoleContext, ConsoleParts } from './console-parts.ts';
import { tooFast } from './refusals.ts';

/** Counts votes by person, in whatever session, and sign-ins by address. */
const countedBy = (context: ConsoleContext): { readonly key: string; readonly source: Source } => {
  const { session, traceId, clientAddress } = context.state;
  const stranger = strangerAt(clientAddress, traceId);
  if (session === null) return { key: addressPrefix(clientAddress), source: stranger };
  const { tenant, object } = session;
  const key = `${tenant} ${object}`;
  return { key, source: { ...stranger, key, data: { ...stranger.data, person: { tenant, object } } } };
};

/** Takes one of a limit. False: nothing is left, which is answered. */
export const keepsPace = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  limit: 'vote' | 'sign_in',
): Promise<boolean> => {
  const { key, source } = countedBy(context);
  const exceeded = await parts.limits[limit].spend(key);
  if (exceeded === null) return true;
  await parts.limits.tell(exceeded, source);
  context.set(exceededHeaders(exceeded));
  answerRefusal(parts, context, tooFast(exceeded.retryAfterSeconds));
  return false;
};
