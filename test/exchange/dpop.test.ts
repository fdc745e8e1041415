/** Proof of possession at the token endpoint (RFC 9449): what is bound to a key, and what is not let through. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sweep } from '../../src/access/sweep.ts';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { createProver, type ProofChanges, type Prover } from '../support/prover.ts';

let world: TestWorld;
let key: Prover;
let otherKey: Prover;

beforeAll(async () => {
  world = await startWorld();
  [key, otherKey] = await Promise.all([createProver(), createProver('Ed25519')]);
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };
const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };

type Parameters = Readonly<Record<string, string | undefined>>;

const prove = (changes: ProofChanges = {}, by = key): string =>
  by.prove('POST', `${world.issuer}/token`, changes);

/** One exchange with a fresh assertion; `dpop`: the value of the DPoP header, or of several. */
const ask = async (agent: string, parameters: Parameters, dpop?: string | string[]): Promise<Answer> =>
  world.exchange(
    { subject_token: await world.assertion(agent), ...parameters },
    dpop === undefined ? {} : { headers: { dpop } },
  );
const read = (parameters: Parameters = {}, dpop?: string | string[]): Promise<Answer> =>
  ask('support-agent', { ...READ, ...parameters }, dpop);

const claimsOf = ({ body }: Answer) => JSON.parse(atob(body.access_token.split('.')[1] ?? ''));
const inShort = ({ status, body }: Answer): string => `${status} ${body.error ?? body.token_type}`;

describe('a token that is asked for with a proof', () => {
  it('is bound to the key of the proof, and says so', async () => {
    const answer = await read({}, prove());
    expect(answer.body).toMatchObject({ token_type: 'DPoP', scope: 'articles.read' });
    expect(claimsOf(answer).cnf).toEqual({ jkt: key.thumbprint });
    const { rows } = await sql<{ proof_key: string }>`
      select proof_key from access_requests where id = ${answer.body.request_id}`.execute(world.database.db);
    expect(rows).toEqual([{ proof_key: key.thumbprint }]);
  });

  it('is a bearer token without one, and names no key', async () => {
    const answer = await read({ request_id: 'bearer' });
    expect(answer.body.token_type).toBe('Bearer');
    expect(claimsOf(answer)).not.toHaveProperty('cnf');
  });

  it.each(['ES256', 'Ed25519', 'EdDSA', 'RS256'] as const)('may be asked for with %s', async (alg) => {
    const prover = await createProver(alg);
    const answer = await read({}, prove({}, prover));
    expect(claimsOf(answer).cnf).toEqual({ jkt: prover.thumbprint });
  });

  it('is announced with the algorithms of proofs in the metadata', async () => {
    for (const path of ['oauth-authorization-server', 'openid-configuration']) {
      const { body } = await world.get(`/.well-known/${path}`);
      expect(body.dpop_signing_alg_values_supported).toEqual(['ES256', 'Ed25519', 'EdDSA', 'RS256']);
    }
  });
});

describe('a bad proof', () => {
  it.each<[string, ProofChanges]>([
    ['of another type', { header: { typ: 'JWT' } }],
    ['without a signature algorithm', { header: { alg: 'none' } }],
    ['for another method', { claims: { htm: 'GET' } }],
    ['for another address', { claims: { htu: 'https://attacker.example/token' } }],
    ['for the metadata', { claims: { htu: 'https://attacker.example/.well-known/openid-configuration' } }],
    ['that is old', { claims: { iat: Math.floor(Date.now() / 1000) - 61 } }],
    ['from the future', { claims: { iat: Math.floor(Date.now() / 1000) + 40 } }],
    ['without a name', { claims: { jti: undefined } }],
    ['with a name of 129 characters', { claims: { jti: 'x'.repeat(129) } }],
  ])('%s is invalid_dpop_proof, is told, and gives nothing', async (_name, changes) => {
    const answer = await read({ request_id: 'bad-proof' }, prove(changes));
    expect(inShort(answer)).toBe('400 invalid_dpop_proof');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await world.trace(answer.body.request_id)).toContain('request.refused');
    expect(
      await world.database.db
        .selectFrom('request_keys')
        .selectAll()
        .where('key', '=', 'i:bad-proof')
        .execute(),
    ).toEqual([]);
  });

  it('is refused with the private key in it', async () => {
    const jwk = key.privateKey.export({ format: 'jwk' });
    const answer = await read({}, prove({ header: { jwk } }));
    expect(inShort(answer)).toBe('400 invalid_dpop_proof');
    expect(world.log.join('\n')).not.toContain(jwk.d);
  });

  it('is refused when there are two of them, in two headers or in one', async () => {
    expect(inShort(await read({}, [prove(), prove()]))).toBe('400 invalid_dpop_proof');
    expect(inShort(await read({}, `${prove()}, ${prove()}`))).toBe('400 invalid_dpop_proof');
  });

  it('is refused when the header is empty', async () => {
    expect(inShort(await read({}, ''))).toBe('400 invalid_dpop_proof');
  });

  it('is compared with the configured address, whatever Host the request names', async () => {
    const { host } = new URL(world.issuer);
    const evil = prove({ claims: { htu: 'http://evil.example/token' } });
    const subject_token = await world.assertion('support-agent');
    const named = await world.exchange(
      { ...READ, subject_token },
      { headers: { host: 'evil.example', dpop: evil } },
    );
    expect(named.status).toBe(421);
    const forwarded = { dpop: evil, 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' };
    const answer = await world.exchange({ ...READ, subject_token }, { headers: { host, ...forwarded } });
    expect(inShort(answer)).toBe('400 invalid_dpop_proof');
  });

  it('is told to nobody whose assertion is not good', async () => {
    const answer = await read({ subject_token: 'x.y.z' }, prove({ header: { typ: 'JWT' } }));
    expect(inShort(answer)).toBe('400 invalid_request');
  });
});

describe('a request that was opened with a key', () => {
  it('is found by repeats with proofs of that key, which get its one credential', async () => {
    const first = await read({ request_id: 'mine' }, prove());
    const again = await read({ request_id: 'mine' }, prove());
    const byBrokersId = await read({ request_id: first.body.request_id }, prove());
    expect([again, byBrokersId].map((answer) => claimsOf(answer).jti)).toEqual(
      Array(2).fill(claimsOf(first).jti),
    );
    expect(claimsOf(byBrokersId).cnf).toEqual({ jkt: key.thumbprint });
  });

  it.each([
    ['another key', 'to-other-key', () => prove({}, otherKey)],
    ['no proof', 'to-no-proof', () => undefined],
  ])('is refused to %s, by the agent’s id and by the broker’s', async (_name, request_id, proof) => {
    const { body } = await ask('reporting-agent', { ...EXPORT, request_id }, prove());
    expect(body.error).toBe('authorization_pending');
    await world.vote(body.request_id, 'approve');
    const own = await ask('reporting-agent', { ...EXPORT, request_id }, proof());
    const brokers = await ask('reporting-agent', { ...EXPORT, request_id: body.request_id }, proof());
    expect([own, brokers].map(inShort)).toEqual(['400 invalid_request', '400 invalid_request']);
    const picked = await ask('reporting-agent', { ...EXPORT, request_id: body.request_id }, prove());
    expect(claimsOf(picked)).toMatchObject({ cnf: { jkt: key.thumbprint }, txn: body.request_id });
  });

  it('was opened for that key alone: without an id, another key and no key open requests of their own', async () => {
    const ids = [];
    for (const proof of [prove(), prove({}, otherKey), undefined, prove()]) {
      const { body } = await ask('reporting-agent', EXPORT, proof);
      expect(body.error).toMatch(/authorization_pending|slow_down/);
      ids.push(body.request_id);
    }
    expect(new Set(ids.slice(0, 3)).size).toBe(3);
    expect(ids[3]).toBe(ids[0]);
  });

  it('keeps what was opened without a key for bearers: a proof does not take it over', async () => {
    const { body } = await ask('reporting-agent', { ...EXPORT, request_id: 'unbound' });
    const taken = await ask('reporting-agent', { ...EXPORT, request_id: body.request_id }, prove());
    expect(inShort(taken)).toBe('400 invalid_request');
    await world.vote(body.request_id, 'deny');
  });
});

describe('a proof that is used again', () => {
  const replayed = async (agent: string, parameters: Parameters): Promise<string[]> => {
    const proof = prove();
    const answers = [];
    for (let count = 0; count < 2; count += 1) answers.push(inShort(await ask(agent, parameters, proof)));
    return answers;
  };

  it('is refused where it opened, and where it only fetched the credential again', async () => {
    expect(await replayed('support-agent', { ...READ, request_id: 'replayed' })).toEqual([
      '200 DPoP',
      '400 invalid_dpop_proof',
    ]);
    expect(await replayed('support-agent', { ...READ, request_id: 'replayed' })).toEqual([
      '200 DPoP',
      '400 invalid_dpop_proof',
    ]);
  });

  it('opens nothing for another request either', async () => {
    const proof = prove();
    await read({ request_id: 'first-of-two' }, proof);
    const second = await read({ request_id: 'second-of-two' }, proof);
    expect(second.body).toMatchObject({
      error: 'invalid_dpop_proof',
      request_id: expect.stringMatching(/^areq_/),
    });
    const { rows } = await sql`select from request_keys where key = 'i:second-of-two'`.execute(
      world.database.db,
    );
    expect(rows).toEqual([]);
  });

  it('is refused where it only asked whether people have decided', async () => {
    const parameters = { audience: 'api://operations.prod', scope: 'release.deploy', request_id: 'polled' };
    expect(inShort(await ask('ops-agent', parameters, prove()))).toBe('400 authorization_pending');
    expect(await replayed('ops-agent', parameters)).toEqual([
      '400 authorization_pending',
      '400 invalid_dpop_proof',
    ]);
  });

  it('is not yet used by an exchange that was refused: another may be made with the same key at once', async () => {
    const proof = prove();
    expect(inShort(await read({ scope: 'articles.burn' }, proof))).toBe('400 invalid_scope');
    expect(inShort(await read({ request_id: 'after-a-refusal' }, proof))).toBe('200 DPoP');
  });

  it('passes under the same name with another key', async () => {
    const claims = { jti: 'shared-name' };
    expect(inShort(await read({}, prove({ claims })))).toBe('200 DPoP');
    expect(inShort(await read({}, prove({ claims }, otherKey)))).toBe('200 DPoP');
  });

  it('is forgotten only when it is too old to pass', async () => {
    const { db } = world.database;
    await sql`insert into used_proofs (digest, used_at) values ('old', now() - interval '301 seconds')`.execute(
      db,
    );
    const kept = async () => (await db.selectFrom('used_proofs').select('digest').execute()).length;
    const before = await kept();
    await sweep(world.database);
    expect(before).toBeGreaterThan(1);
    expect(await kept()).toBe(before - 1);
  });
});
