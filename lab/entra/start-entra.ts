/**
 * The stand-in for Microsoft Entra: one tenant, over HTTPS on loopback, with a certificate authority of its own.
 *
 * What a client needs to know. Issuers are `<authority>/<tenant>/v2.0` and `<authority>/<tenant>/`. msal-node takes
 * `authority: <authority>/<tenant>` and must have the host in `knownAuthorities`, or else it asks the real Entra about
 * it. It uses Node's `fetch`, so a process learns the authority's certificate from `NODE_EXTRA_CA_CERTS` at its start
 * or by `tls.setDefaultCACertificates`; a process that should not trust it everywhere gives msal a `networkClient`.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { join, resolve } from 'node:path';
import Koa from 'koa';
import type { World } from '../world.ts';
import { type CertifiedKey, createAuthority, createServerCertificate } from './certificates.ts';
import { createCluster } from './cluster.ts';
import { createFaults } from './faults.ts';
import { createHistory, type History, type HistoryEntry } from './history.ts';
import { createManagementRoutes } from './management.ts';
import { PAGE_POLICY, renderMessage } from './pages.tsx';
import { openRegistrations } from './registrations.ts';
import { createSignIns } from './sign-ins.ts';
import { createSigningKey, createSigningKeys } from './signing-keys.ts';
import type { Tenant } from './tenant.ts';
import { createTenantRoutes } from './tenant-routes.ts';

export type Entra = {
  /** `https://127.0.0.1:<port>`. */
  readonly authority: string;
  /** The tenant's id; also the path under the authority. */
  readonly tenant: string;
  /** PEM file of the certificate authority, absolute. */
  readonly caFile: string;
  /** `iss` of the service account tokens that `POST /lab/service-account-token` gives. */
  readonly clusterIssuer: string;
  /** What an agent asks Entra for. */
  readonly scope: string;
  /** Registers one more reply address of the console. */
  readonly addRedirectUri: (uri: string) => void;
  /** What was asked so far, oldest first. */
  readonly history: () => readonly HistoryEntry[];
  readonly stop: () => Promise<void>;
};

export type EntraOptions = {
  readonly world: World;
  /** Keeps the certificate authority, so that whoever trusts it goes on trusting it. */
  readonly directory: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Reply addresses of the broker's console, matched byte for byte. */
  readonly consoleRedirectUris?: readonly string[];
};

const HOST = '127.0.0.1';
const CA_FILE = 'entra-ca.pem';
const CA_KEY_FILE = 'entra-ca-key.pem';

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Clients that give up on a slow or endless answer are what the faults are for. */
const isHangUp = (error: Error): boolean =>
  'code' in error && ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(String(error.code));

const openAuthority = async (directory: string): Promise<CertifiedKey> => {
  await mkdir(directory, { recursive: true });
  try {
    const [certificate, privateKey] = await Promise.all(
      [CA_FILE, CA_KEY_FILE].map((name) => readFile(join(directory, name), 'utf8')),
    );
    if (certificate !== undefined && privateKey !== undefined) return { certificate, privateKey };
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const authority = await createAuthority('Countersign lab, loopback only', new Date());
  await writeFile(join(directory, CA_KEY_FILE), authority.privateKey, { mode: 0o600 });
  await writeFile(join(directory, CA_FILE), authority.certificate);
  return authority;
};

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((onListening, onError) => {
    server.once('error', onError);
    server.listen(port, HOST, () => {
      server.off('error', onError);
      const address = server.address();
      if (address === null || typeof address === 'string') onError(new Error('the server has no port'));
      else onListening(address.port);
    });
  });

const createApp = (tenant: Tenant, history: History): Koa => {
  const app = new Koa();
  app.on('error', (error) => {
    if (!isHangUp(error)) app.onerror(error);
  });
  const faults = createFaults();
  const routers = [
    createManagementRoutes(tenant, faults, history),
    createTenantRoutes({ tenant, faults, signIns: createSignIns() }),
  ];
  app.use(history.record);
  app.use((ctx, next) => {
    if (ctx.path !== '/') return next();
    ctx.set('Content-Security-Policy', PAGE_POLICY);
    ctx.type = 'html';
    ctx.body = renderMessage('Stand-in for Microsoft Entra', `Its one tenant is ${tenant.id}.`);
  });
  for (const router of routers) app.use(router.routes());
  return app;
};

/**
 * Starts the stand-in. Signing keys are new at each start; ids and secrets are the world's.
 * @throws Error when the port is taken
 */
export const startEntra = async (options: EntraOptions): Promise<Entra> => {
  const { world, directory } = options;
  const ca = await openAuthority(directory);
  const [certified, keys, clusterKey] = await Promise.all([
    createServerCertificate(ca, new Date()),
    createSigningKeys(),
    createSigningKey('lab cluster'),
  ]);
  const server = createServer({ key: certified.privateKey, cert: certified.certificate });
  const authority = `https://${HOST}:${await listen(server, options.port)}`;
  const registrations = openRegistrations(world, options.consoleRedirectUris ?? []);
  const cluster = createCluster(`${authority}/cluster`, clusterKey);
  const history = createHistory();
  const tenant: Tenant = { id: world.tenant, authority, world, registrations, keys, cluster };
  server.on('request', createApp(tenant, history).callback());
  return {
    authority,
    tenant: world.tenant,
    caFile: resolve(directory, CA_FILE),
    clusterIssuer: cluster.issuer,
    scope: `${world.broker.appIdUri}/.default`,
    addRedirectUri: registrations.addRedirectUri,
    history: history.entries,
    stop: () =>
      new Promise((onStopped) => {
        server.close(() => onStopped());
        // Held answers and idle connections would keep it open.
        server.closeAllConnections();
      }),
  };
};
