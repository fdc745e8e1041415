/** `POST /token-use`: an API of the registry, proven by its own Entra assertion, reports uses of its tokens. */
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { Refusals } from '../audit/refusals.ts';
import { type RejectedCaller, tellRejectedCaller } from '../audit/rejected-caller.ts';
import type { Clock } from '../clock.ts';
import { readJson } from '../http/json.ts';
import { networkOf } from '../http/network.ts';
import { openSlots, SLOTS, withinSlots } from '../http/slots.ts';
import { traceIdOf } from '../http/trace-id.ts';
import { descriptionOf, type Exceeded, exceededHeaders } from '../limits/exceeded.ts';
import type { GuardedVerifier } from '../limits/guard-assertions.ts';
import { type RateLimits, strangerAt } from '../limits/rate-limits.ts';
import type { ClientAnswer } from '../reasons/explanation.ts';
import type { Principal, Registry } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';
import { recordTokenUses } from '../tokens/token-uses.ts';

/** Uses in one report; an API that has more sends more reports. */
const USES_MAX = 200;

const tokenUses = z
  .array(
    z.object({
      event_id: z.string().regex(/^[\x21-\x7e]{1,128}$/),
      jti: z.string().regex(/^[\x21-\x7e]{1,128}$/),
      outcome: z.enum(['allowed', 'refused']),
      status: z.int().min(100).max(599),
      reason: z
        .string()
        .regex(/^[a-z_]{1,40}$/)
        .nullable()
        .default(null),
      at: z.iso.datetime({ offset: true }),
      count: z.int().min(1).max(1_000_000_000).default(1),
    }),
  )
  .max(USES_MAX);

export type TokenUseOptions = {
  readonly database: Database;
  readonly verifyAssertion: GuardedVerifier;
  readonly limits: RateLimits;
  readonly registry: () => Registry;
  readonly refusals: Refusals;
  readonly clock: Clock;
  /** Counts recorded uses. */
  readonly observe: (outcome: 'allowed' | 'refused', count: number) => void;
  /** Counts a report that was refused because too many were under way. */
  readonly observeShed: () => void;
};

type Caller = { readonly audiences: readonly string[]; readonly workload: Principal };

/** The audiences that the caller is, by its own assertion (RFC 6750); or why it is none. */
const callerAudiences = async (
  options: TokenUseOptions,
  context: RouterContext,
): Promise<Caller | RejectedCaller | { readonly exceeded: Exceeded }> => {
  const assertion = /^bearer +(\S+)$/i.exec(context.get('authorization'))?.[1];
  if (assertion === undefined) return { caller: 'bearer_missing' };
  const from = { address: context.state.clientAddress, now: options.clock() };
  const verified = await options.verifyAssertion(assertion, from);
  if ('exceeded' in verified) return verified;
  if ('reason' in verified) return { assertion: verified.reason };
  const { tenantId: tenant, objectId: object } = verified.workload;
  const registry = options.registry();
  const audiences = [...registry.resources.values()]
    .filter(({ workload }) => workload?.tenant === tenant && workload.object === object)
    .map(({ audience }) => audience);
  const workload = { tenant, object };
  return audiences.length > 0 ? { audiences, workload } : { caller: 'api_unknown', workload };
};

export const tokenUseRoutes = (options: TokenUseOptions): Router => {
  const router = new Router();
  const reports = openSlots(SLOTS.reports, options.observeShed);
  router.post('/token-use', async (context) => {
    context.set('Cache-Control', 'no-store');
    const { clientAddress } = context.state;
    const traceId = traceIdOf(context.get('traceparent'));
    const tell = (rejected: RejectedCaller): Promise<ClientAnswer> =>
      tellRejectedCaller(options.refusals, rejected, {
        endpoint: '/token-use',
        network: networkOf(clientAddress),
        traceId,
      });
    const caller = await callerAudiences(options, context);
    if ('exceeded' in caller) {
      await options.limits.tell(caller.exceeded, strangerAt(clientAddress, traceId));
      context.status = 429;
      context.set(exceededHeaders(caller.exceeded));
      context.body = { error: 'slow_down', error_description: descriptionOf(caller.exceeded) };
      return;
    }
    if (!('audiences' in caller)) {
      const { status, error } = await tell(caller);
      context.status = status;
      context.set('WWW-Authenticate', `Bearer error="${error}"`);
      context.body = {
        error,
        error_description: 'send the Entra assertion of a registered API as Bearer',
      };
      return;
    }
    const read = await readJson(context.req);
    if ('error' in read) {
      await tell({ caller: 'report_malformed', workload: caller.workload });
      context.status = read.status;
      if (read.close) context.set('Connection', 'close');
      context.body = { error: read.error, error_description: read.description };
      return;
    }
    const uses = tokenUses.safeParse(read.value);
    if (!uses.success) {
      await tell({ caller: 'report_malformed', workload: caller.workload });
      context.status = 400;
      context.body = {
        error: 'invalid_request',
        error_description: z.prettifyError(uses.error).slice(0, 500),
      };
      return;
    }
    const recorded = await withinSlots(reports, () =>
      recordTokenUses(
        options.database,
        caller.audiences,
        uses.data.map(({ event_id, ...use }) => ({ ...use, eventId: event_id })),
      ),
    );
    for (const use of recorded) options.observe(use.outcome, use.count);
    context.status = 200;
    context.body = { recorded: recorded.length };
  });
  return router;
};
