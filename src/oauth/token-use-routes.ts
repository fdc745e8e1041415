/** `POST /token-use`: an API of the registry, proven by its own Entra assertion, reports uses of its tokens. */
import type { IncomingMessage } from 'node:http';
import Router from '@koa/router';
import { z } from 'zod';
import { type BodyRefusal, refuseBody } from '../http/body.ts';
import { readJson } from '../http/json.ts';
import { openSlots, SLOTS } from '../http/slots.ts';
import type { Database } from '../storage/database.ts';
import { recordTokenUses, type TokenUse } from '../tokens/token-uses.ts';
import { type ApiCallerParts, type ApiState, refuseApi, requireApi, takeOfApi } from './api-caller.ts';

/** Uses in one report; an API that has more sends more reports. */
const USES_MAX = 200;
/** Equal uses that one entry stands for: what a busy process has within a second, many times. */
const COUNT_MAX = 100_000;
/** A time has fractions of any length, and the trail keeps it for good. */
const AT_MAX_LENGTH = 40;

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
      at: z.iso.datetime({ offset: true }).max(AT_MAX_LENGTH),
      count: z.int().min(1).max(COUNT_MAX).default(1),
    }),
  )
  .max(USES_MAX);

/** The uses of a report, or (told by `error`) why it is refused. */
const readUses = async (request: IncomingMessage): Promise<TokenUse[] | BodyRefusal> => {
  const read = await readJson(request);
  if ('error' in read) return read;
  const uses = tokenUses.safeParse(read.value);
  return uses.success
    ? uses.data.map(({ event_id, ...use }) => ({ ...use, eventId: event_id }))
    : refuseBody(z.prettifyError(uses.error).slice(0, 500));
};

export type TokenUseOptions = ApiCallerParts & {
  readonly database: Database;
  /** Counts recorded uses. */
  readonly observe: (outcome: 'allowed' | 'refused', count: number) => void;
  /** Counts a report that was refused because too many were under way. */
  readonly observeShed: () => void;
};

const UNTIMELY = refuseBody('a use lies ahead of the clock, or before its token was issued: set the clock');

export const tokenUseRoutes = (options: TokenUseOptions): Router => {
  const router = new Router<ApiState>();
  const reports = openSlots(SLOTS.reports, options.observeShed);
  router.post('/token-use', requireApi(options, '/token-use', 'report'), async (context) => {
    const uses = await readUses(context.req);
    // What is malformed may have been as much work as the largest.
    const cost = 'error' in uses ? USES_MAX : Math.max(1, uses.length);
    if (!(await takeOfApi(options, context, cost))) return;
    if ('error' in uses) return refuseApi(options, context, 'report_malformed', uses);
    const recorded = await reports(() =>
      recordTokenUses(options.database, context.state.api.audiences, uses),
    );
    if (recorded === 'untimely') return refuseApi(options, context, 'report_untimely', UNTIMELY);
    for (const use of recorded) options.observe(use.outcome, use.count);
    context.status = 200;
    context.body = { recorded: recorded.length };
  });
  return router;
};
