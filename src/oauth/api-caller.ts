/**
 * Callers that are an API of the registry, proven by the API's own Entra assertion as Bearer (RFC 6750). Agents never
 * are: the registry lets no workload be both. Nothing of a request is read before its caller is proven.
 */
import type { RouterContext, RouterMiddleware } from '@koa/router';
import type { Refusals } from '../audit/refusals.ts';
import { type RejectedCaller, tellRejectedCaller } from '../audit/rejected-caller.ts';
import type { Clock } from '../clock.ts';
import type { BodyRefusal } from '../http/body.ts';
import type { FrontDoorState } from '../http/front-door.ts';
import { networkOf } from '../http/network.ts';
import { traceIdOf } from '../http/trace-id.ts';
import { descriptionOf, type Exceeded, exceededHeaders } from '../limits/exceeded.ts';
import type { GuardedVerifier } from '../limits/guard-assertions.ts';
import { type RateLimits, strangerAt } from '../limits/rate-limits.ts';
import type { CallerReason } from '../reasons/caller.ts';
import type { ClientAnswer } from '../reasons/explanation.ts';
import type { Principal, Registry } from '../registry/registry.ts';

export type ApiCallerParts = {
  readonly verifyAssertion: GuardedVerifier;
  readonly limits: RateLimits;
  readonly registry: () => Registry;
  readonly refusals: Refusals;
  readonly clock: Clock;
};

/** A workload, and every audience of the registry that it is. */
export type ApiCaller = { readonly audiences: readonly string[]; readonly workload: Principal };

/** What the requests of an API count under, each kind for itself. */
type ApiLimit = 'report' | 'introspection';

/** What `requireApi` leaves for the route. */
export type ApiState = FrontDoorState & { api: ApiCaller; endpoint: string; limit: ApiLimit };

type Context = RouterContext<ApiState>;

/** The audiences that the caller is, by its own assertion; or why it is none. */
const findCaller = async (
  parts: ApiCallerParts,
  context: Context,
): Promise<ApiCaller | RejectedCaller | { readonly exceeded: Exceeded }> => {
  const assertion = /^bearer +(\S+)$/i.exec(context.get('authorization'))?.[1];
  if (assertion === undefined) return { caller: 'bearer_missing' };
  const from = { address: context.state.clientAddress, now: parts.clock() };
  const verified = await parts.verifyAssertion(assertion, from);
  if ('exceeded' in verified) return verified;
  if ('reason' in verified) return { assertion: verified.reason };
  const { tenantId: tenant, objectId: object } = verified.workload;
  const audiences = [...parts.registry().resources.values()]
    .filter(({ workload }) => workload?.tenant === tenant && workload.object === object)
    .map(({ audience }) => audience);
  const workload = { tenant, object };
  return audiences.length > 0 ? { audiences, workload } : { caller: 'api_unknown', workload };
};

const tell = (
  { refusals }: ApiCallerParts,
  context: Context,
  rejected: RejectedCaller,
): Promise<ClientAnswer> =>
  tellRejectedCaller(refusals, rejected, {
    endpoint: context.state.endpoint,
    network: networkOf(context.state.clientAddress),
    traceId: traceIdOf(context.get('traceparent')),
  });

const answerExceeded = (context: Context, exceeded: Exceeded): void => {
  context.status = 429;
  context.set(exceededHeaders(exceeded));
  context.body = { error: 'slow_down', error_description: descriptionOf(exceeded) };
};

const limitKeyOf = ({ workload: { tenant, object } }: ApiCaller): string => `${tenant} ${object}`;

/** Tells and answers that an API has nothing left of its limit. */
const refuseBeyond = async (
  { limits }: ApiCallerParts,
  context: Context,
  exceeded: Exceeded,
): Promise<void> => {
  const { api, endpoint, clientAddress } = context.state;
  await limits.tell(exceeded, {
    key: limitKeyOf(api),
    traceId: traceIdOf(context.get('traceparent')),
    data: { endpoint, network: networkOf(clientAddress), ...api.workload },
  });
  answerExceeded(context, exceeded);
};

/** Takes `cost` of what the API may send. False: it had nothing left, and is answered. */
export const takeOfApi = async (parts: ApiCallerParts, context: Context, cost: number): Promise<boolean> => {
  const { api, limit } = context.state;
  const exceeded = await parts.limits[limit].spend(limitKeyOf(api), cost);
  if (exceeded !== null) await refuseBeyond(parts, context, exceeded);
  return exceeded === null;
};

/** Lets APIs of the registry that have something left of `limit` through to `endpoint`, and answers everybody else. */
export const requireApi =
  (parts: ApiCallerParts, endpoint: string, limit: ApiLimit): RouterMiddleware<ApiState> =>
  async (context, next) => {
    context.state.endpoint = endpoint;
    context.state.limit = limit;
    context.set('Cache-Control', 'no-store');
    const caller = await findCaller(parts, context);
    if ('audiences' in caller) {
      context.state.api = caller;
      const exhausted = parts.limits[limit].look(limitKeyOf(caller));
      return exhausted === null ? next() : refuseBeyond(parts, context, exhausted);
    }
    if ('exceeded' in caller) {
      const traceId = traceIdOf(context.get('traceparent'));
      await parts.limits.tell(caller.exceeded, strangerAt(context.state.clientAddress, traceId));
      return answerExceeded(context, caller.exceeded);
    }
    const { status, error } = await tell(parts, context, caller);
    context.status = status;
    context.set('WWW-Authenticate', `Bearer error="${error}"`);
    context.body = {
      error,
      error_description: 'send the Entra assertion of a registered API as Bearer',
    };
  };

/** Refuses what a proven API sent, and tells it: its software is to be mended. */
export const refuseApi = async (
  parts: ApiCallerParts,
  context: Context,
  reason: Extract<CallerReason, `report_${string}` | 'introspection_malformed'>,
  refusal: BodyRefusal,
): Promise<void> => {
  await tell(parts, context, { caller: reason, workload: context.state.api.workload });
  context.status = refusal.status;
  if (refusal.close) context.set('Connection', 'close');
  context.body = { error: refusal.error, error_description: refusal.description };
};
