/**
 * The browser's edge: sign-in, the approvers' queue, votes, traces, tokens, kill switches and the audit trail. One router whose every route
 * names its own guards; what none of them matches is passed on.
 */
import Router from '@koa/router';
import type { Middleware } from 'koa';
import { answerRefusal, redirect } from './answers.tsx';
import { approvalRoutes } from './approval-routes.tsx';
import { loadAssets } from './assets.ts';
import { auditRoutes } from './audit-routes.tsx';
import { blockRoutes } from './block-routes.tsx';
import type { ConsoleOptions, ConsoleParts, ConsoleState } from './console-parts.ts';
import { openEntra } from './entra.ts';
import { answerSafely, boundedPages, refuseRole, withSession } from './guards.tsx';
import { liftRoutes } from './lift-routes.tsx';
import { queueRoutes } from './queue-routes.tsx';
import { notFound } from './refusals.ts';
import { mayApprove, mayReadTrail } from './roles.ts';
import { signInRoutes } from './sign-in-routes.tsx';
import { tokenRoutes } from './token-routes.tsx';
import { traceRoutes } from './trace-routes.tsx';
import { voteRoutes } from './vote-routes.tsx';

/** A year: the name changes with the content. */
const ASSET_CACHE = 'public, max-age=31536000, immutable';

const partsOf = (options: ConsoleOptions): ConsoleParts => ({
  ...options,
  assets: loadAssets(),
  entra: options.signIn === null ? null : openEntra(options.signIn, options.url),
  origin: new URL(options.url).origin,
});

const assetRoute = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/assets/:name', async (context, next) => {
    const asset = parts.assets.find(context.params.name ?? '');
    if (asset === undefined) return next();
    context.set('Cache-Control', ASSET_CACHE);
    context.type = asset.type;
    context.body = asset.content;
  });
};

/** The start: whatever this person is here for. */
const startRoute = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/', withSession(parts), async (context) => {
    const { session } = context.state;
    if (session === null) redirect(context, '/sign-in');
    else if (mayApprove(session.roles)) redirect(context, '/approvals');
    else if (mayReadTrail(session.roles)) redirect(context, '/audit');
    else await refuseRole(parts, context, 'an app role, such as Approver or Auditor,');
  });
};

/** Whatever nobody else answers, for people; tools keep the plain answer. */
const notFoundRoute = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/{*path}', async (context, next) => {
    await next();
    if (context.status === 404 && context.body === undefined && context.accepts('json', 'html') === 'html')
      answerRefusal(parts, context, notFound);
  });
};

/**
 * The console's router, made once; mount its `routes()` behind the front door. Throws if a file that pages need is
 * missing. Opens no connection: the database is asked and Entra is reached when somebody comes.
 */
export const consoleRouter = (options: ConsoleOptions): Router<ConsoleState> => {
  const parts = partsOf(options);
  const router = new Router<ConsoleState>();
  router.use(answerSafely(parts));
  assetRoute(router, parts);
  router.use(boundedPages(parts));
  startRoute(router, parts);
  signInRoutes(router, parts);
  queueRoutes(router, parts);
  approvalRoutes(router, parts);
  voteRoutes(router, parts);
  traceRoutes(router, parts);
  liftRoutes(router, parts);
  tokenRoutes(router, parts);
  blockRoutes(router, parts);
  auditRoutes(router, parts);
  notFoundRoute(router, parts);
  return router;
};

/** The console as one koa middleware. */
export const createConsole = (options: ConsoleOptions): Middleware =>
  consoleRouter(options).routes() as unknown as Middleware;
