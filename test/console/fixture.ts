/** The console over a real database: a registry of three agents, people with sessions, requests opened as exchanges do. */
import { randomBytes, randomUUID } from 'node:crypto';
import Koa from 'koa';
import { sql } from 'kysely';
import { pino } from 'pino';
import { openRefusals } from '../../src/audit/refusals.ts';
import { createConsole } from '../../src/console/console.tsx';
import type { ConsoleOptions } from '../../src/console/console-parts.ts';
import type { Person } from '../../src/console/sessions.ts';
import { openFrontDoor, throughFrontDoor } from '../../src/http/front-door.ts';
import { listen } from '../../src/http/server.ts';
import { openRateLimits } from '../../src/limits/rate-limits.ts';
import { LIMIT_NAMES, type LimitSettings } from '../../src/limits/settings.ts';
import { buildRegistry } from '../../src/registry/build-registry.ts';
import { registryDocument } from '../../src/registry/registry-schema.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { REGISTRY_TENANT, registryEntries } from './registry-fixture.ts';
import {
  type OpenedRequest,
  openRequest,
  PERMITTED_NOW,
  POLICY_REVISION,
  type RequestChanges,
  seed,
} from './requests-fixture.ts';

export type { OpenedRequest };

export type TestPerson = Person;

const person = (name: string, roles: readonly string[], object: string = randomUUID()): TestPerson => ({
  tenant: REGISTRY_TENANT,
  object,
  name,
  username: `${name.toLowerCase().replaceAll(' ', '.')}@lab.example`,
  roles,
  authenticatedAt: null,
  authenticationContexts: [],
});

/** Sign-in is configured, but nobody is there. */
const NO_ENTRA = {
  authority: 'https://127.0.0.1:1',
  tenantId: REGISTRY_TENANT,
  clientId: REGISTRY_TENANT,
  clientSecret: 'unused',
  ca: null,
};

const NO_LIMITS = Object.fromEntries(
  LIMIT_NAMES.map((name) => [name, Number.POSITIVE_INFINITY]),
) as LimitSettings;

const APPROVER_ROLES = ['Approver', 'Approver.knowledge', 'Approver.payroll', 'Approver.release'];

/** Starts the console on a free port, on a database of its own unless one is given. Sessions are put where sign-in puts them. */
export const startConsole = async (given?: TestDatabase, limited: Partial<LimitSettings> = {}) => {
  const fresh = given ?? (await createDatabase());
  const logger = pino({ level: 'silent' });
  const database = await openDatabase({ dsn: fresh.applicationDsn, logger });
  const owner = person('Riley Owner', [...APPROVER_ROLES, 'Auditor']);
  const people = {
    approver: person('Avery Approver', APPROVER_ROLES),
    second: person('Sam Second', APPROVER_ROLES),
    knowledge: person('Kim Knowledge', ['Approver', 'Approver.knowledge']),
    owner,
    ownersGuest: person('Riley Guest', APPROVER_ROLES),
    sponsor: person('Sasha Sponsor', APPROVER_ROLES),
    approversGuest: person('Avery Guest', APPROVER_ROLES),
    auditor: person('Andy Auditor', ['Auditor']),
    operator: person('Olly Operator', ['Operator']),
    security: person('Sandy Security', ['SecurityAdmin']),
    visitor: person('Vic Visitor', []),
  };
  const document = registryDocument.parse(
    registryEntries({
      owner,
      sponsor: people.sponsor,
      people: [
        [owner, people.ownersGuest],
        [people.approver, people.approversGuest],
      ],
    }),
  );
  const registry = buildRegistry(1, document);
  let inForce = registry;
  await seed(database, registry);
  const refusals = openRefusals(database, logger);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const app = new Koa();
  app.use(throughFrontDoor(openFrontDoor({ publicUrls: [url], trustedProxies: [], logger })));
  const clock = { now: () => new Date() };
  const policy: { -readonly [Part in 'decide' | 'catchUp']: ConsoleOptions[Part] } = {
    decide: () => Promise.resolve(PERMITTED_NOW),
    catchUp: () => Promise.resolve(),
  };
  const options: ConsoleOptions = {
    database,
    url,
    signIn: NO_ENTRA,
    actionKey: randomBytes(32),
    registry: () => inForce,
    policyRevision: () => POLICY_REVISION,
    decide: (question) => policy.decide(question),
    catchUp: () => policy.catchUp(),
    verifyAssertion: () => Promise.resolve({ reason: 'format' }),
    refusals,
    limits: openRateLimits({
      settings: { ...NO_LIMITS, ...limited },
      replicas: 1,
      redis: null,
      refusals,
      count: () => undefined,
    }),
    observeShed: () => undefined,
    clock: () => clock.now(),
    logger,
  };
  app.use(createConsole(options));
  const server = await listen({
    host: '127.0.0.1',
    port,
    setting: 'the test',
    handler: app.callback(),
    logger,
  });

  /** A session as sign-in leaves it, `ageSeconds` ago; returns the Cookie header. */
  const signIn = async (who: TestPerson, ageSeconds = 0): Promise<string> => {
    const id = randomBytes(32).toString('base64url');
    await sql`
      insert into console_sessions (id_hash, tenant_id, object_id, name, username, roles, signed_in_at, expires_at)
      values (sha256(${id}::bytea), ${who.tenant}, ${who.object}, ${who.name}, ${who.username}, ${who.roles}::text[],
        now() - make_interval(secs => ${ageSeconds}), now() + interval '7 hours')`.execute(database.db);
    await sql`insert into people (tenant_id, object_id, name, username)
      values (${who.tenant}, ${who.object}, ${who.name}, ${who.username}) on conflict do nothing`.execute(
      database.db,
    );
    return `countersign_session=${id}`;
  };

  const open = (changes: RequestChanges = {}): Promise<OpenedRequest> =>
    openRequest(database, registry, changes);

  /** One request; redirects are not followed. */
  const get = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(url + path, { redirect: 'manual', headers });

  /** A post as a browser sends one from our own page, unless `headers` say otherwise. */
  const post = (
    path: string,
    form: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string | undefined>> = {},
  ): Promise<Response> =>
    fetch(url + path, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams(form),
      headers: withoutAbsent({ origin: url, 'sec-fetch-site': 'same-origin', ...headers }),
    });

  const stop = async (): Promise<void> => {
    await server.close();
    await refusals.stop();
    await database.close();
    await fresh.drop();
  };
  return {
    url,
    options,
    database,
    ownerDsn: fresh.ownerDsn,
    people,
    registry,
    clock,
    policy,
    /** What the replica knows as the registry in force. */
    setRegistry: (next: typeof registry) => {
      inForce = next;
    },
    signIn,
    openRequest: open,
    get,
    post,
    stop,
  };
};

export type TestConsole = Awaited<ReturnType<typeof startConsole>>;

const withoutAbsent = (headers: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

/** The hidden fields of the vote form on a page. */
export const fieldsOf = (page: string): Record<string, string> =>
  Object.fromEntries(
    [...page.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [name, value.replaceAll('&amp;', '&')],
    ),
  );

/** Names of the events of a request, in order. */
export const eventsOf = async ({ database }: TestConsole, requestId: string): Promise<string[]> => {
  const { rows } = await sql<{ name: string }>`
    select name from audit_events where request_id = ${requestId} order by position`.execute(database.db);
  return rows.map(({ name }) => name);
};
