/**
 * Each reason for which an exchange can be refused, met on the wire: the client gets the error of the table, and the
 * trail an event with the reason, under which the console finds it. The table of attempts is typed by the reasons.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { personOf } from '../../lab/world.ts';
import { setBlock } from '../../src/access/blocks.ts';
import type { ExchangeReason } from '../../src/reasons/exchange.ts';
import { meaningOf } from '../../src/reasons.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { activatePolicy } from '../../src/registry/policy-revisions.ts';
import { readRegistry } from '../../src/registry/registry-file.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { bundleOf, openEngine, permitRule, shippedBundle } from '../policy/bundles.ts';
import { type Answer, JWT_TYPE, startWorld, type TestWorld } from '../support/broker.ts';
import { startTrusting, trustIn } from '../support/entra-modes.ts';
import { checkPromises } from '../support/promises.ts';
import { createProver, type ProofChanges, type Prover } from '../support/prover.ts';
import { expectEvent, lastPosition } from './told-reason.ts';

const AUTHOR = { by: 'test', reason: 'test' };
const NOTE = { reason: 'test', appliedBy: 'test' };
const DEPLOY = { audience: 'api://operations.prod', scope: 'release.deploy' };

let world: TestWorld;
let prover: Prover;
let registry: RegistryDocument;

const put = (change: (document: RegistryDocument) => RegistryDocument): Promise<unknown> =>
  applyRegistry(world.database, change(registry), NOTE);

const changeAgent = (id: string, changes: object) => (document: RegistryDocument) => ({
  ...document,
  agents: document.agents.map((agent) => (agent.id === id ? { ...agent, ...changes } : agent)),
});

beforeAll(async () => {
  world = await startWorld();
  prover = await createProver();
  registry = await readRegistry([world.settings.COUNTERSIGN_REGISTRY ?? '']);
  await put((document) => ({
    ...changeAgent('reporting-agent', { environment: 'dev' })(document),
    resources: document.resources.map((resource) =>
      resource.audience === 'api://knowledge.test' ? { ...resource, default_scopes: [] } : resource,
    ),
  }));
});
afterAll(() => world.stop());

type Parameters = Readonly<Record<string, string | undefined>>;
type Headers = Readonly<Record<string, string | string[]>>;

/** The support agent reads an article, but for what is changed. */
const ask = async (changes: Parameters = {}, headers: Headers = {}, agent = 'support-agent') =>
  world.exchange(
    {
      subject_token: await world.assertion(agent),
      audience: 'api://knowledge.prod',
      scope: 'articles.read',
      ...changes,
    },
    { headers },
  );

const asOps = (changes: Parameters): Promise<Answer> => ask({ ...DEPLOY, ...changes }, {}, 'ops-agent');

const withProof = (changes: ProofChanges & { method?: string; target?: string } = {}): Promise<Answer> =>
  ask(
    {},
    { dpop: prover.prove(changes.method ?? 'POST', changes.target ?? `${world.issuer}/token`, changes) },
  );

const takeBack = async (token: string): Promise<Answer> => {
  const subject_token = await world.assertion('support-agent');
  return world.post(
    '/revoke',
    `${new URLSearchParams({ subject_token, subject_token_type: JWT_TYPE, token })}`,
  );
};

const activate = async (bundle: Uint8Array): Promise<void> => {
  const revision = await (await openEngine()).load(bundle);
  await activatePolicy(world.database, bundle, revision, NOTE);
};

/** A request of its own key that people approved; `change` happens to it before the agent comes back. */
const comeBack = async (
  key: string,
  change: (requestId: string) => ReturnType<typeof sql>,
  approve = true,
): Promise<Answer> => {
  const { request_id } = (await asOps({ request_id: key })).body;
  if (approve) await world.vote(request_id, 'approve');
  await change(request_id).execute(world.database.db);
  return asOps({ request_id: key });
};

const ATTEMPTS: Readonly<Record<ExchangeReason, () => Promise<Answer>>> = {
  client_authentication: () => ask({ client_secret: 'x' }),
  client_id_conflict: () =>
    ask({ client_id: 'ops-agent' }, { authorization: `Basic ${btoa('support-agent:')}` }),
  client_id_mismatch: () => ask({ client_id: 'ops-agent' }),
  subject_token_missing: () => ask({ subject_token: undefined }),
  subject_token_type: () => ask({ subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }),
  requested_token_type: () => ask({ requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
  actor_token: () => ask({ actor_token: 'x' }),
  target_missing: () => ask({ audience: undefined }),
  target_ambiguous: () => ask({ resource: 'api://knowledge.dev' }),
  target_malformed: () => ask({ audience: undefined, resource: 'api://knowledge.prod#x' }),
  target_unknown: () => ask({ audience: 'api://nowhere' }),
  target_environment: () =>
    ask({ audience: 'api://reports.prod', scope: 'payroll.export' }, {}, 'reporting-agent'),
  scope_malformed: () => ask({ scope: 'a"b' }),
  scope_missing: () => ask({ audience: 'api://knowledge.test', scope: undefined }),
  scope_unknown: () => ask({ scope: 'articles.read articles.burn' }),
  request_id_unknown: () => ask({ request_id: 'areq_AAAAAAAAAAAAAAAAAAAAAA' }),
  request_id_reused: async () => {
    await ask({ request_id: 'reused' });
    return ask({ request_id: 'reused', audience: 'api://knowledge.dev' });
  },
  justification_too_long: () => ask({ justification: 'x'.repeat(2_001) }),
  requested_expires_in: () => ask({ requested_expires_in: '-1' }),
  authorization_details: () => ask({ authorization_details: '[{"type":"none-of-ours"}]' }),
  proof_malformed: () => ask({}, { dpop: 'x' }),
  proof_type: () => withProof({ header: { typ: 'JWT' } }),
  proof_algorithm: () => withProof({ header: { alg: 'HS256' } }),
  proof_key: () => withProof({ header: { jwk: { kty: 'EC' } } }),
  proof_signature: async () => withProof({ signer: (await createProver()).privateKey }),
  proof_method: () => withProof({ method: 'GET' }),
  proof_target: () => withProof({ target: `${world.issuer}/other` }),
  proof_time: () => withProof({ claims: { iat: 1 } }),
  proof_replayed: async () => {
    const dpop = prover.prove('POST', `${world.issuer}/token`);
    expect((await ask({ request_id: 'proven' }, { dpop })).status).toBe(200);
    return ask({ request_id: 'proven-again' }, { dpop });
  },
  proof_nonce: async () => {
    const demanding = await startWorld({ environment: { COUNTERSIGN_DPOP_NONCE_SECONDS: '60' } });
    const before = world;
    world = demanding;
    try {
      const answer = await withProof();
      await expectEvent(world.database, 'proof_nonce', 0);
      return answer;
    } finally {
      world = before;
      await demanding.stop();
    }
  },
  proof_required: async () => {
    const reading = {
      resource: 'api://knowledge.prod',
      scopes: ['articles.read'],
      agents: ['support-agent'],
    };
    await activate(await bundleOf({ rules: [permitRule({ ...reading, require_key_binding: true })] }));
    const answer = await ask({ request_id: 'keyed' });
    await activate(shippedBundle());
    return answer;
  },
  replay: async () => {
    const strict = await startTrusting(world, [trustIn(world.entra, { replay: 'strict' })]);
    const subject_token = await world.assertion('support-agent');
    const asked = { audience: 'api://knowledge.prod', scope: 'articles.read', subject_token };
    const open = (request_id: string) => world.exchange({ ...asked, request_id }, { port: strict.port });
    expect((await open('replay-1')).status).toBe(200);
    return open('replay-2').finally(strict.stop);
  },
  agent_disabled: async () => {
    await put(changeAgent('support-agent', { enabled: false }));
    const answer = await ask();
    await put((document) => document);
    return answer;
  },
  denied_by_policy: () => asOps({ scope: 'database.delete' }),
  denied_by_approver: async () => {
    const write = { scope: 'articles.write' };
    await world.vote((await ask(write)).body.request_id, 'deny');
    return ask(write);
  },
  approval_void: async () => {
    await world.vote((await asOps({ request_id: 'void' })).body.request_id, 'approve');
    const { tenant } = world.entra.world;
    const sponsors = [{ tenant, object: personOf(world.entra.world, 'approver').objectId }];
    await put(changeAgent('ops-agent', { sponsors }));
    const answer = await asOps({ request_id: 'void' });
    await put((document) => document);
    return answer;
  },
  grant_revoked: async () =>
    comeBack(
      'revoked',
      (id) => sql`update grants set state = 'ended', ended_reason = 'revoked', ended_at = now()
      where request_id = ${id}`,
    ),
  request_expired: () =>
    comeBack('expired', (id) => sql`update access_requests set expires_at = now() where id = ${id}`, false),
  request_cancelled: () =>
    comeBack(
      'cancelled',
      (id) => sql`update access_requests set state = 'cancelled', decided_at = now() where id = ${id}`,
      false,
    ),
  approval_lapsed: () =>
    comeBack('lapsed', (id) => sql`update grants set pickup_until = now() where request_id = ${id}`),
  grant_over: async () => {
    const { db } = world.database;
    const { request_id } = (await asOps({ request_id: 'over' })).body;
    await world.vote(request_id, 'approve');
    await asOps({ request_id: 'over' });
    const grant = sql`(select id from grants where request_id = ${request_id})`;
    await sql`update tokens set expires_at = issued_at where grant_id = ${grant}`.execute(db);
    await sql`update grants set approved_until = now() where request_id = ${request_id}`.execute(db);
    return asOps({ request_id: 'over' });
  },
  token_missing: async () => takeBack(''),
  token_foreign: async () => takeBack((await asOps({ audience: 'api://operations.dev' })).body.access_token),
  blocked: async () => {
    const audience = 'api://knowledge.dev';
    await setBlock(world.database, { kind: 'audience', subject: audience, lasting: true }, AUTHOR);
    return ask({ audience });
  },
  assertion_superseded: async () => {
    const subject_token = await world.assertion('support-agent');
    await setBlock(world.database, { kind: 'agent', subject: 'support-agent', lasting: false }, AUTHOR);
    return ask({ subject_token });
  },
};

it.each(Object.keys(ATTEMPTS) as ExchangeReason[])('%s', async (reason) => {
  const after = await lastPosition(world.database);
  const { status, body } = await ATTEMPTS[reason]();
  const { error } = meaningOf(reason);
  expect({ status, error: body.error }).toEqual({ status: 400, error });
  expect(body.access_token).toBeUndefined();
  if (reason === 'proof_nonce') return;
  const told = await expectEvent(world.database, reason, after);
  // Either the agent is known, or nobody is and the network is told.
  expect([told.agent !== undefined, told.network]).toEqual(
    told.agent === undefined ? [false, '127.0.0.0/24'] : [true, undefined],
  );
  if (body.request_id !== undefined) expect(told.request_id).toBe(body.request_id);
});

it('keeps every promise after all of it', async () => {
  await checkPromises(world.database);
});
