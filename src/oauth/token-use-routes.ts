/** `POST /token-use`: an API of the registry, proven by its own Entra assertion, reports uses of its tokens. */
import Router from '@koa/router';
import { z } from 'zod';
import { refuseBody } from '../http/body.ts';
import { readJson } from '../http/json.ts';
import { openSlots, SLOTS, withinSlots } from '../http/slots.ts';
import type { Database } from '../storage/database.ts';
import { recordTokenUses } from '../tokens/token-uses.ts';
import { type ApiCallerParts, type ApiState, refuseApi, requireApi } from './api-caller.ts';

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

export type TokenUseOptions = ApiCallerParts & {
  readonly database: Database;
  /** Counts recorded uses. */
  readonly observe: (outcome: 'allowed' | 'refused', count: number) => void;
  /** Counts a report that was refused because too many were under way. */
  readonly observeShed: () => void;
};

export const tokenUseRoutes = (options: TokenUseOptions): Router => {
  const router = new Router<ApiState>();
  const reports = openSlots(SLOTS.reports, options.observeShed);
  router.post('/token-use', requireApi(options, '/token-use'), async (context) => {
    const read = await readJson(context.req);
    if ('error' in read) return refuseApi(options, context, 'report_malformed', read);
    const uses = tokenUses.safeParse(read.value);
    if (!uses.success) {
      const problem = refuseBody(z.prettifyError(uses.error).slice(0, 500));
      return refuseApi(options, context, 'report_malformed', problem);
    }
    const recorded = await withinSlots(reports, () =>
      recordTokenUses(
        options.database,
        context.state.api.audiences,
        uses.data.map(({ event_id, ...use }) => ({ ...use, eventId: event_id })),
      ),
    );
    for (const use of recorded) options.observe(use.outcome, use.count);
    context.status = 200;
    context.body = { recorded: recorded.length };
  });
  return router;
};
