/** `POST /token-use`: an API of the registry, proven by its own Entra assertion, reports uses of its tokens. */
import Router from '@koa/router';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { readJson } from '../http/json.ts';
import type { AssertionVerifier } from '../identity/assertion-verifier.ts';
import type { Registry } from '../registry/registry.ts';
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
      at: z.iso.datetime({ offset: true }),
      count: z.int().min(1).max(1_000_000_000).default(1),
    }),
  )
  .max(USES_MAX);

export type TokenUseOptions = {
  readonly database: Database;
  readonly verifyAssertion: AssertionVerifier;
  readonly registry: () => Registry;
  readonly clock: Clock;
  /** Counts recorded uses. */
  readonly observe: (outcome: 'allowed' | 'refused', count: number) => void;
};

type Refusal = { readonly status: 401 | 403; readonly error: 'invalid_token' | 'insufficient_scope' };

/** The audiences that the caller is, by its own assertion (RFC 6750). */
const callerAudiences = async (
  options: TokenUseOptions,
  authorization: string,
): Promise<readonly string[] | Refusal> => {
  const assertion = /^bearer +(\S+)$/i.exec(authorization)?.[1];
  if (assertion === undefined) return { status: 401, error: 'invalid_token' };
  const verified = await options.verifyAssertion(assertion, options.clock());
  if ('reason' in verified) return { status: 401, error: 'invalid_token' };
  const { tenantId: tenant, objectId: object } = verified.workload;
  const registry = options.registry();
  const audiences = [...registry.resources.values()]
    .filter(({ workload }) => workload?.tenant === tenant && workload.object === object)
    .map(({ audience }) => audience);
  return audiences.length > 0 ? audiences : { status: 403, error: 'insufficient_scope' };
};

export const tokenUseRoutes = (options: TokenUseOptions): Router => {
  const router = new Router();
  router.post('/token-use', async (context) => {
    context.set('Cache-Control', 'no-store');
    const audiences = await callerAudiences(options, context.get('authorization'));
    if ('status' in audiences) {
      context.status = audiences.status;
      context.set('WWW-Authenticate', `Bearer error="${audiences.error}"`);
      context.body = {
        error: audiences.error,
        error_description: 'send the Entra assertion of a registered API as Bearer',
      };
      return;
    }
    const read = await readJson(context.req);
    if ('error' in read) {
      context.status = read.status;
      if (read.close) context.set('Connection', 'close');
      context.body = { error: read.error, error_description: read.description };
      return;
    }
    const uses = tokenUses.safeParse(read.value);
    if (!uses.success) {
      context.status = 400;
      context.body = {
        error: 'invalid_request',
        error_description: z.prettifyError(uses.error).slice(0, 500),
      };
      return;
    }
    const recorded = await recordTokenUses(
      options.database,
      audiences,
      uses.data.map(({ event_id, ...use }) => ({ ...use, eventId: event_id })),
    );
    for (const use of recorded) options.observe(use.outcome, use.count);
    context.status = 200;
    context.body = { recorded: recorded.length };
  });
  return router;
};
