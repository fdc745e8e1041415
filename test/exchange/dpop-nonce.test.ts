/** Nonces on demand (RFC 9449 section 8), and a client that knows of proofs and nonces but not of Countersign. */
import * as client from 'openid-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openNonces } from '../../src/oauth/dpop-nonce.ts';
import { createVerifier } from '../../src/resource-server/index.ts';
import { type Answer, JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';
import { createProver, type Prover } from '../support/prover.ts';

const LIFETIME_SECONDS = 60;
const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

let world: TestWorld;
let key: Prover;

beforeAll(async () => {
  const environment = { COUNTERSIGN_DPOP_NONCE_SECONDS: String(LIFETIME_SECONDS) };
  world = await startWorld({ brokers: 2, environment });
  key = await createProver();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const read = async (nonce?: string, options: { port?: number } = {}): Promise<Answer> =>
  world.exchange(
    { ...READ, subject_token: await world.assertion('support-agent') },
    { ...options, headers: { dpop: key.prove('POST', `${world.issuer}/token`, { claims: { nonce } }) } },
  );
const nonceOf = ({ headers }: Answer): string => headers.get('dpop-nonce') ?? '';

describe('where nonces are demanded', () => {
  it('a proof without one is sent back with one, and passes with it', async () => {
    const first = await read();
    expect(first.status).toBe(400);
    expect(first.body.error).toBe('use_dpop_nonce');
    expect(first.headers.get('cache-control')).toBe('no-store');
    const second = await read(nonceOf(first));
    expect(second.body.token_type).toBe('DPoP');
  });

  it('every answer to a proof brings the next one', async () => {
    const issued = await read(nonceOf(await read()));
    expect(issued.status).toBe(200);
    expect((await read(nonceOf(issued))).status).toBe(200);
  });

  it('one that was made up, changed or empty is sent back', async () => {
    const good = nonceOf(await read());
    const changed = `${good.slice(0, -2)}${good.endsWith('AA') ? 'BB' : 'AA'}`;
    for (const nonce of ['', 'made-up', changed, `${good}=`, `${good} `, good.slice(1), 'A'.repeat(30)])
      expect((await read(nonce)).body.error, nonce).toBe('use_dpop_nonce');
  });

  it('one of a replica is good at the others', async () => {
    const nonce = nonceOf(await read(undefined, { port: world.brokers[0]?.port ?? 0 }));
    expect((await read(nonce, { port: world.brokers[1]?.port ?? 0 })).status).toBe(200);
  });

  it('a bearer needs none and is given none', async () => {
    const answer = await world.exchange({ ...READ, subject_token: await world.assertion('support-agent') });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('dpop-nonce')).toBeNull();
  });
});

describe('a nonce', () => {
  const now = new Date('2026-01-31T12:00:00Z');
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const nonces = openNonces(Buffer.alloc(32, 1), LIFETIME_SECONDS);

  it('is good for its lifetime, also at a replica whose clock is a little behind', () => {
    const nonce = nonces.issue(now);
    expect([-31, -30, 0, 60, 61].map((seconds) => nonces.isGood(nonce, after(seconds)))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });

  it('of another secret is not good', () => {
    expect(nonces.isGood(openNonces(Buffer.alloc(32, 2), LIFETIME_SECONDS).issue(now), now)).toBe(false);
  });
});

describe('an OAuth client that knows nothing of Countersign', () => {
  it('gets a bound token, nonce and all, and calls an API with it', async () => {
    const configuration = await client.discovery(
      new URL(world.issuer),
      'support-agent',
      undefined,
      client.None(),
      { algorithm: 'oauth2', execute: [client.allowInsecureRequests] },
    );
    const keyPair = await client.randomDPoPKeyPair('ES256');
    const DPoP = client.getDPoPHandle(configuration, keyPair);
    const tokens = await client.genericGrantRequest(
      configuration,
      TOKEN_EXCHANGE,
      { ...READ, subject_token: await world.assertion('support-agent'), subject_token_type: JWT_TYPE },
      { DPoP },
    );
    expect(tokens.token_type).toBe('dpop');
    expect(tokens).toMatchObject({ scope: 'articles.read' });

    const url = 'https://knowledge.example';
    const verifier = createVerifier({ issuer: world.issuer, audience: READ.audience, url });
    const outcomes: string[] = [];
    configuration[client.customFetch] = async (target, { method, headers }) => {
      const { authorization, dpop = '' } = headers as Record<string, string>;
      const request = { method, target: new URL(target).pathname, proofs: [dpop] };
      const verification = await verifier.verify(authorization, { scope: 'articles.read', request });
      outcomes.push('token' in verification ? 'allowed' : verification.refusal.reason);
      return new Response('{}', { status: 'token' in verification ? 200 : 401 });
    };
    await client.fetchProtectedResource(
      configuration,
      tokens.access_token,
      new URL(`${url}/articles?year=2026`),
      'GET',
      null,
      undefined,
      { DPoP },
    );
    expect(outcomes).toEqual(['allowed']);
  });
});
