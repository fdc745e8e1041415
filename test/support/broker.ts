/** A world for HTTP tests: the stand-in for Entra, a fresh database, and one or more brokers in this process on it. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { sql } from 'kysely';
import { type Logger, pino } from 'pino';
import { writeBrokerFiles } from '../../lab/broker-files.ts';
import { agentOf, apiOf, toolOf } from '../../lab/world.ts';
import { type Broker, startBroker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config.ts';
import { LIMIT_NAMES } from '../../src/limits/settings.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { startTestEntra, type TestEntra } from '../lab/entra-fixture.ts';
import { createDatabase } from './database.ts';
import { checkPromises } from './promises.ts';
import { voteAs } from './vote-as.ts';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read members of JSON answers as they come
  readonly body: any;
};

/** Claims or header members to change in an assertion; undefined removes one. */
export type AssertionChanges = {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly key?: 'current' | 'next' | 'foreign';
};

export type TestWorld = {
  readonly entra: TestEntra;
  /** The application role's connections. */
  readonly database: Database;
  readonly ownerDsn: string;
  readonly applicationDsn: string;
  readonly brokers: readonly Broker[];
  readonly issuer: string;
  /** The environment of a broker on this database, to start more of them. */
  readonly settings: Readonly<Record<string, string>>;
  /** What the brokers logged, a JSON line each. */
  readonly log: readonly string[];
  /** A good assertion of an agent, an API or a tool, fresh unless its `uti` is given. */
  readonly assertion: (who: string, changes?: AssertionChanges) => Promise<string>;
  /** One exchange, at the first broker unless another one's port is given. */
  readonly exchange: (
    parameters: Readonly<Record<string, string | undefined>>,
    options?: { readonly port?: number; readonly headers?: Readonly<Record<string, string | string[]>> },
  ) => Promise<Answer>;
  /** One request, at the broker of that port, or at the first one. */
  readonly send: (
    port: number | undefined,
    path: string,
    init: { method: string; body?: string; headers?: Readonly<Record<string, string | string[]>> },
  ) => Promise<Answer>;
  /** Posts bytes as they are to a path. */
  readonly post: (path: string, body: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>;
  readonly get: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>;
  readonly vote: (
    requestId: string,
    verdict: 'approve' | 'deny',
    person?: string,
    left?: Parameters<typeof voteAs>[4],
  ) => ReturnType<typeof voteAs>;
  /** Names of the events of a request, in order. */
  readonly trace: (requestId: string) => Promise<string[]>;
  readonly stop: () => Promise<void>;
};

const answerOf = async (response: Response): Promise<Answer> => {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
};

const collectingLogger = (lines: string[]): Logger =>
  pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });

/** What Entra puts in an app-only v2 token of this workload. */
const claimsOf = ({ world, entra }: TestEntra, who: string): Record<string, unknown> => {
  const isAudience = who.startsWith('api://');
  const roles = who === 'tool' ? toolOf(world, 'Auditor').roles : [];
  const workload = isAudience
    ? apiOf(world, who)
    : who === 'tool'
      ? toolOf(world, 'Auditor')
      : agentOf(world, who);
  const now = Math.floor(Date.now() / 1000);
  return {
    aud: world.broker.clientId,
    iss: `${entra.authority}/${entra.tenant}/v2.0`,
    iat: now - 300,
    nbf: now - 300,
    exp: now + 3600,
    azp: workload.clientId,
    azpacr: '1',
    idtyp: 'app',
    oid: workload.objectId,
    sub: workload.objectId,
    tid: entra.tenant,
    uti: randomBytes(16).toString('base64url'),
    ver: '2.0',
    ...(roles.length > 0 && { roles }),
  };
};

const without = (members: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

const keyIds = async ({ entra }: TestEntra): Promise<string> => {
  const { keys } = (await (await fetch(`${entra.authority}/${entra.tenant}/discovery/v2.0/keys`)).json()) as {
    keys: { kid: string }[];
  };
  return keys[0]?.kid ?? '';
};

/** Starts the world; `environment` changes settings of every broker in it. */
export const startWorld = async (
  options: { readonly brokers?: number; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<TestWorld> => {
  const entra = await startTestEntra();
  const fresh = await createDatabase();
  const log: string[] = [];
  const brokerPort = await freePort();
  const ports = { broker: brokerPort, operations: 0 } as Parameters<typeof writeBrokerFiles>[1]['ports'];
  const files = await writeBrokerFiles(
    { directory: entra.directory, brokerUrl: null } as unknown as Parameters<typeof writeBrokerFiles>[0],
    { world: entra.world, entra: entra.entra, ports },
  );
  entra.entra.addRedirectUri(`${files.issuer}/sign-in/callback`);
  const settings: Record<string, string> = {
    ...(parseEnv(await readFile(join(entra.directory, 'broker.env'), 'utf8')) as Record<string, string>),
    COUNTERSIGN_DATABASE: fresh.applicationDsn,
    COUNTERSIGN_OPERATIONS_LISTEN: '127.0.0.1:0',
    COUNTERSIGN_RATE_LIMITS: LIMIT_NAMES.map((name) => `${name}=1000000`).join(','),
    ...options.environment,
  };
  const brokers: Broker[] = [];
  for (let index = 0; index < (options.brokers ?? 1); index += 1) {
    const listen = index === 0 ? {} : { COUNTERSIGN_LISTEN: '127.0.0.1:0' };
    brokers.push(await startBroker(loadConfig({ ...settings, ...listen }), collectingLogger(log)));
  }
  const database = await openDatabase({ dsn: fresh.applicationDsn, logger: pino({ enabled: false }) });
  const { host } = new URL(files.issuer);
  const kid = await keyIds(entra);

  const send: TestWorld['send'] = async (port, path, init) => {
    const { request } = await import('node:http');
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: port ?? brokers[0]?.port,
          path,
          method: init.method,
          headers: {
            host,
            ...(init.body !== undefined && { 'content-length': String(Buffer.byteLength(init.body)) }),
            ...init.headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const headers = new Headers();
            for (const [name, value] of Object.entries(response.headers))
              headers.set(name, [value ?? ''].flat().join(', '));
            const body = Buffer.concat(chunks);
            const status = response.statusCode ?? 0;
            resolve(answerOf(new Response(status === 304 ? null : body, { status, headers })));
          });
        },
      );
      sent.on('error', reject);
      sent.end(init.body);
    });
  };

  const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
  return {
    entra,
    database,
    ownerDsn: fresh.ownerDsn,
    applicationDsn: fresh.applicationDsn,
    brokers,
    issuer: files.issuer,
    settings,
    log,
    assertion: async (who, changes = {}) => {
      const response = await fetch(`${entra.entra.authority}/lab/sign`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          header: without({ typ: 'JWT', alg: 'RS256', kid, ...changes.header }),
          payload: without({ ...claimsOf(entra, who), ...changes.claims }),
          key: changes.key ?? 'current',
        }),
      });
      return ((await response.json()) as { token: string }).token;
    },
    exchange: (parameters, { port, headers = {} } = {}) => {
      const form = new URLSearchParams({ grant_type: TOKEN_EXCHANGE, subject_token_type: JWT_TYPE });
      for (const [name, value] of Object.entries(parameters)) {
        if (value === undefined) form.delete(name);
        else form.set(name, value);
      }
      return send(port, '/token', {
        method: 'POST',
        body: form.toString(),
        headers: { ...FORM, ...headers },
      });
    },
    send,
    post: (path, body, headers = FORM) => send(undefined, path, { method: 'POST', body, headers }),
    get: (path, headers = {}) => send(undefined, path, { method: 'GET', headers }),
    vote: (...ballot) => voteAs({ world: entra.world, database }, ...ballot),
    trace: async (requestId) =>
      (
        await sql<{ name: string }>`
          select name from audit_events where request_id = ${requestId} order by position`.execute(
          database.db,
        )
      ).rows.map(({ name }) => name),
    stop: async () => {
      await checkPromises(database);
      await database.close();
      for (const broker of brokers) await broker.stop();
      await fresh.drop();
      await entra.stop();
    },
  };
};
