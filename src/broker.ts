/**
 * The composition root: every part made here, by hand, in the order of need, and ended in the other order. A part
 * that must hold and does not ends the start with its reason; nothing that was started before it stays behind.
 */
import type { Logger } from 'pino';
import { openDecisionWaits } from './access/await-decisions.ts';
import { countPending } from './access/count-pending.ts';
import { accessRequests } from './access/requests.ts';
import { startSweeper } from './access/sweep.ts';
import { openRefusals } from './audit/refusals.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createConsole } from './console/console.tsx';
import { fillEmptyDatabase } from './first-start.ts';
import { type FrontDoor, openApplication, openFrontDoor } from './http/front-door.ts';
import { listen } from './http/server.ts';
import { createAssertionVerifier } from './identity/assertion-verifier.ts';
import { createKeyCache } from './identity/key-cache.ts';
import { guardAssertions } from './limits/guard-assertions.ts';
import { openRateLimits } from './limits/rate-limits.ts';
import { openNonces } from './oauth/dpop-nonce.ts';
import { introspectionRoutes } from './oauth/introspection-routes.ts';
import { metadataRoutes } from './oauth/metadata.ts';
import { createKeyProver } from './oauth/prove-key.ts';
import { revocationFeedRoutes } from './oauth/revocation-feed-routes.ts';
import { revocationRoutes } from './oauth/revocation-routes.ts';
import { tellAtDoor } from './oauth/tell-refusal.ts';
import { openTokenRoute, withTokenRoute } from './oauth/token-route.ts';
import { tokenUseRoutes } from './oauth/token-use-routes.ts';
import { createMetrics } from './operations/metrics.ts';
import { type Check, operationsHandler } from './operations/operations-handler.ts';
import { readinessChecks } from './operations/readiness.ts';
import { openPolicyEngine } from './policy/engine.ts';
import type { Closings } from './registry/closings.ts';
import { followRevisions } from './registry/follow.ts';
import type { Registry } from './registry/registry.ts';
import { openRevocationFeed } from './revocation/revocation-feed.ts';
import { openCoordination } from './storage/coordination.ts';
import { openStorage } from './storage/open-storage.ts';
import { openRedis } from './storage/redis.ts';
import { openSigningKeys } from './tokens/signing-keys.ts';
import { openConsoleKey } from './tokens/stored-keys.ts';

/** How often a replica looks for revisions that others put in force. */
const FOLLOW_INTERVAL_MS = 250;

export type Broker = {
  readonly issuer: string;
  /** Where it really listens: of use where the configured port was 0. */
  readonly port: number;
  readonly operationsPort: number;
  /** Answers what is under way, then ends every part. */
  readonly stop: () => Promise<void>;
};

/** Starts a broker. Throws an error of one line that says what to do; nothing is left running then. */
export const startBroker = async (config: Config, logger: Logger): Promise<Broker> => {
  await using parts = new AsyncDisposableStack();
  const storage = await openStorage(config.storage, logger);
  parts.defer(storage.stop);
  const { database } = storage;
  const policy = openPolicyEngine({ logger });
  parts.defer(policy.close);
  await fillEmptyDatabase(config, database, policy);

  let registry: Registry | undefined;
  let closings: Closings | undefined;
  const follower = followRevisions({
    database,
    intervalMs: FOLLOW_INTERVAL_MS,
    onRegistry: (taken) => {
      registry = taken;
    },
    onClosings: (taken) => {
      closings = taken;
    },
    onPolicy: async (bundle) => void (await policy.load(bundle)),
    logger,
  });
  parts.defer(follower.stop);
  await follower.catchUp();
  if (policy.revision() === null) {
    throw new Error(
      'no policy is in force: name a bundle in COUNTERSIGN_POLICY, or put one in force with "countersign policy activate"',
    );
  }
  const loaded = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('what is in force is not loaded');
    return part;
  };
  const currentRegistry = (): Registry => loaded(registry);
  const currentClosings = (): Closings => loaded(closings);

  const signingKeys = await openSigningKeys({
    database,
    keyEncryptionKeys: config.keyEncryptionKeys,
    maxAgeSeconds: config.keyMaxAgeDays * 24 * 3_600,
    needed: () => [...currentRegistry().resources.values()].map((resource) => resource.tokenSigningAlgorithm),
    logger,
  });
  parts.defer(signingKeys.stop);
  const consoleKey = await openConsoleKey(database, config.keyEncryptionKeys);

  const metrics = createMetrics(() => countPending(database));
  const refusals = openRefusals(database, logger, {
    observe: ({ name, data }) => {
      if (name === 'assertion.rejected') metrics.countRejectedAssertion(data.reason);
      if (name === 'request.refused') metrics.countRefusedRequest(String(data.reason));
    },
  });
  parts.defer(refusals.stop);
  const redis = config.redisUrl === null ? null : openRedis(config.redisUrl, logger);
  if (redis !== null) parts.defer(redis.close);
  const coordination = openCoordination({ redis });
  const revocations = await openRevocationFeed({ database, logger, observe: metrics.observeRevocation });
  parts.defer(revocations.stop);
  const sweeper = startSweeper(database, logger);
  parts.defer(sweeper.stop);

  const limits = openRateLimits({
    settings: config.limits,
    replicas: config.replicas,
    redis,
    refusals,
    count: metrics.countRateLimited,
  });
  const assertions = createAssertionVerifier({
    tenants: config.tenants,
    keys: createKeyCache({
      tenants: config.tenants,
      entraCa: config.entraCa ?? undefined,
      clock: systemClock,
      logger,
    }),
  });
  const verifyAssertion = guardAssertions(assertions, limits.address);

  const consolePages = createConsole({
    database,
    url: config.consoleUrl,
    signIn: config.signIn,
    actionKey: consoleKey,
    registry: currentRegistry,
    policyRevision: policy.revision,
    decide: policy.decide,
    catchUp: follower.catchUp,
    verifyAssertion,
    refusals,
    limits,
    observeShed: () => metrics.countShed('pages'),
    clock: systemClock,
    logger,
  });
  const outside = { trustedProxies: config.trustedProxies, logger, onRefused: tellAtDoor({ refusals }) };
  const openDoor = (...publicUrls: string[]): FrontDoor => openFrontDoor({ publicUrls, ...outside });
  const door = openDoor(config.url, ...(config.consoleListen === null ? [config.consoleUrl] : []));
  const app = openApplication(door);
  const nonces =
    config.dpopNonceSeconds === null
      ? null
      : openNonces(config.keyEncryptionKeys[0], config.dpopNonceSeconds);
  const decisionWaits = openDecisionWaits({ database, logger });
  const edge = {
    issuer: config.url,
    consoleUrl: config.consoleUrl,
    database,
    verifyAssertion,
    registry: currentRegistry,
    closings: currentClosings,
    refusals,
    limits,
    signingKeys,
    clock: systemClock,
  };
  const tokenRoute = openTokenRoute({
    ...edge,
    exchange: {
      ...edge,
      requests: accessRequests(database),
      policy,
      pace: coordination.pace,
      decisionWaits,
      catchUp: follower.catchUp,
      proveKey: createKeyProver({ issuer: config.url, nonces, clock: systemClock }),
      observeDecision: metrics.observeDecision,
    },
    nonces,
    logger,
    observe: metrics.observeExchange,
  });
  const shedAs = (route: string) => ({ observeShed: () => metrics.countShed(route) });
  for (const routes of [
    metadataRoutes(config.url, signingKeys.published).routes(),
    revocationFeedRoutes({ issuer: config.url, feed: revocations, signingKeys }).routes(),
    tokenUseRoutes({ ...edge, ...shedAs('reports'), observe: metrics.countTokenUses }).routes(),
    introspectionRoutes({ ...edge, ...shedAs('introspections') }).routes(),
    revocationRoutes({ ...edge, ...shedAs('revocations') }).routes(),
  ])
    app.use(routes);
  const consoleApp = config.consoleListen === null ? app : openApplication(openDoor(config.consoleUrl));
  consoleApp.use(consolePages);

  const checks = (): Promise<Check[]> =>
    readinessChecks({ database, policyRevision: policy.revision, hasRegistry: () => registry !== undefined });
  const { operationsListen } = config;
  const operations = await listen({
    ...operationsListen,
    setting: 'COUNTERSIGN_OPERATIONS_LISTEN',
    handler: operationsHandler({ ...operationsListen, metrics, checks, notes: storage.weaknesses, logger }),
    logger,
  });
  parts.defer(operations.close);
  if (config.consoleListen !== null) {
    const pages = await listen({
      ...config.consoleListen,
      setting: 'COUNTERSIGN_CONSOLE_LISTEN',
      handler: consoleApp.callback(),
      ...outside,
    });
    parts.defer(pages.close);
  }
  const server = await listen({
    ...config.listen,
    setting: 'COUNTERSIGN_LISTEN',
    handler: withTokenRoute(door, tokenRoute, app.callback()),
    ...outside,
  });
  parts.defer(server.close);
  // Who waits is answered before the server waits for whoever is not.
  parts.defer(decisionWaits.stop);

  const running = parts.move();
  return {
    issuer: config.url,
    port: server.port,
    operationsPort: operations.port,
    stop: async () => {
      revocations.release();
      await running.disposeAsync();
    },
  };
};
