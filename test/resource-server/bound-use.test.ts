import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createVerifier, type Verifier } from '../../src/resource-server/index.ts';
import { createProver, type ProofChanges, type Prover } from '../support/prover.ts';
import { NOTHING_REVOKED } from './local-feed.ts';
import { AUDIENCE, type LocalIssuer, startIssuer } from './local-issuer.ts';

const URL_OF_API = 'https://knowledge.example/v1';
const TARGET = '/articles?year=2026';

let local: LocalIssuer;
let prover: Prover;
let verifier: Verifier;

beforeAll(async () => {
  local = await startIssuer();
  prover = await createProver();
});
afterAll(() => local.close());
beforeEach(() => {
  verifier = createVerifier({
    issuer: local.issuer,
    audience: AUDIENCE,
    url: URL_OF_API,
    revocations: NOTHING_REVOKED,
  });
});

const boundToken = (): Promise<string> => local.sign({ cnf: { jkt: prover.thumbprint } });
const proofFor = (accessToken: string, changes: ProofChanges = {}): string =>
  prover.prove('GET', `${URL_OF_API}/articles`, { accessToken, ...changes });

const call = async (authorization: string, proofs: readonly string[], by = verifier) => {
  const request = { method: 'GET', target: TARGET, proofs };
  const verification = await by.verify(authorization, { scope: 'articles.read', request });
  return 'token' in verification
    ? { outcome: 'allowed', challenge: '', tokenId: null }
    : {
        outcome: `${verification.refusal.status} ${verification.refusal.error} ${verification.refusal.reason}`,
        challenge: verification.refusal.challenge,
        tokenId: verification.refusal.tokenId,
      };
};
const outcome = async (...parameters: Parameters<typeof call>): Promise<string> =>
  (await call(...parameters)).outcome;

describe('a token that is bound to a key', () => {
  it('is let through with a proof of that key for the request and the token', async () => {
    const token = await boundToken();
    const request = { method: 'GET', target: TARGET, proofs: [proofFor(token)] };
    const verification = await verifier.verify(`dpop ${token}`, { scope: 'articles.read', request });
    expect(verification).toMatchObject({ token: { agent: 'support-agent', proofKey: prover.thumbprint } });
  });

  it('is refused as a bearer token, with and without its proof (RFC 9449 section 7.2)', async () => {
    const token = await boundToken();
    expect(await outcome(`Bearer ${token}`, [])).toBe('401 invalid_token key_bound');
    expect(await outcome(`Bearer ${token}`, [proofFor(token)])).toBe('401 invalid_token key_bound');
  });

  it('is refused without a proof, and by callers that hand none in', async () => {
    const token = await boundToken();
    expect(await outcome(`DPoP ${token}`, [])).toBe('401 invalid_dpop_proof proof_missing');
    const verification = await verifier.verify(`DPoP ${token}`, { scope: 'articles.read' });
    expect(verification).toMatchObject({ refusal: { reason: 'proof_missing' } });
  });

  it.each([
    '/a/../articles',
    '/a/%2e%2e/articles',
    '/%2E/articles',
    '/articles/.',
    '/a/..#',
    '/a/%2e%2e#?x',
    '/#',
    'm://y',
  ])('is refused at %s, which a router takes for another path than the proof', async (target) => {
    const token = await boundToken();
    const request = { method: 'GET', target, proofs: [proofFor(token)] };
    const verification = await verifier.verify(`DPoP ${token}`, { scope: 'articles.read', request });
    expect(verification).toMatchObject({ refusal: { reason: 'proof_target' } });
  });

  it('is refused with two proofs', async () => {
    const token = await boundToken();
    const proofs = [proofFor(token), proofFor(token)];
    expect(await outcome(`DPoP ${token}`, proofs)).toBe('401 invalid_dpop_proof proof_malformed');
  });

  it('is refused with a proof of another key, though that proof is good', async () => {
    const token = await boundToken();
    const other = (await createProver()).prove('GET', `${URL_OF_API}/articles`, { accessToken: token });
    expect(await outcome(`DPoP ${token}`, [other])).toBe('401 invalid_token other_key');
  });

  it.each<[string, ProofChanges, string]>([
    ['for another method', { claims: { htm: 'POST' } }, 'proof_method'],
    ['for another path', { claims: { htu: `${URL_OF_API}/payroll` } }, 'proof_target'],
    ['for another host', { claims: { htu: 'https://reports.example/v1/articles' } }, 'proof_target'],
    [
      'for the path without the prefix of the API',
      { claims: { htu: 'https://knowledge.example/articles' } },
      'proof_target',
    ],
    ['made two minutes ago', { claims: { iat: Math.floor(Date.now() / 1000) - 120 } }, 'proof_time'],
    ['without the hash of the token', { claims: { ath: undefined } }, 'proof_token'],
    ['with the hash of another token', { claims: { ath: 'A'.repeat(43) } }, 'proof_token'],
    ['of another type', { header: { typ: 'JWT' } }, 'proof_type'],
  ])('is refused with a proof %s', async (_name, changes, reason) => {
    const token = await boundToken();
    expect(await outcome(`DPoP ${token}`, [proofFor(token, changes)])).toBe(
      `401 invalid_dpop_proof ${reason}`,
    );
  });

  it('is refused with a proof that was made for a token before it', async () => {
    const [first, second] = [
      await boundToken(),
      await local.sign({ cnf: { jkt: prover.thumbprint }, jti: 'next' }),
    ];
    expect(await outcome(`DPoP ${second}`, [proofFor(first)])).toBe('401 invalid_dpop_proof proof_token');
  });

  it('is let through once with the same proof, however often it is sent at the same time', async () => {
    const token = await boundToken();
    const proof = proofFor(token);
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome(`DPoP ${token}`, [proof])));
    expect(outcomes.filter((each) => each === 'allowed')).toHaveLength(1);
    expect(new Set(outcomes)).toEqual(new Set(['allowed', '401 invalid_dpop_proof proof_replayed']));
  });

  it('can be reported when it is misused', async () => {
    const token = await boundToken();
    expect((await call(`Bearer ${token}`, [])).tokenId).toBe('tok_0000000000000000000000');
    expect((await call(`DPoP ${token}`, [])).tokenId).toBe('tok_0000000000000000000000');
  });
});

describe('a token that is bound to no key', () => {
  it('is refused with the scheme DPoP, also with a good proof', async () => {
    const token = await local.sign();
    expect(await outcome(`DPoP ${token}`, [proofFor(token)])).toBe('401 invalid_token not_key_bound');
  });

  it('is let through as a bearer token', async () => {
    expect(await outcome(`Bearer ${await local.sign()}`, [])).toBe('allowed');
  });
});

describe('an API that does not say its address', () => {
  it('takes no bound token, by either scheme', async () => {
    const alone = createVerifier({ issuer: local.issuer, audience: AUDIENCE });
    const token = await boundToken();
    expect(await outcome(`DPoP ${token}`, [proofFor(token)], alone)).toBe('401 null no_token');
    expect(await outcome(`Bearer ${token}`, [], alone)).toBe('401 invalid_token key_bound');
  });

  it.each(['knowledge.example', 'https://knowledge.example/', 'https://knowledge.example/v1?x', 'ftp://x'])(
    'is refused at start when it says %s',
    (url) => {
      expect(() => createVerifier({ issuer: local.issuer, audience: AUDIENCE, url })).toThrow(
        'url must be the public base URL of this API',
      );
    },
  );
});

describe('the challenge', () => {
  const algs = 'algs="ES256 Ed25519 EdDSA RS256"';
  it('offers both schemes and names no error when nothing was sent', async () => {
    expect((await call('', [])).challenge).toBe(
      `Bearer realm="api://knowledge.prod", DPoP realm="api://knowledge.prod", ${algs}`,
    );
  });

  it('tells the error under the scheme that was used (RFC 9449 section 7.1)', async () => {
    const token = await boundToken();
    expect((await call(`DPoP ${token}`, [])).challenge).toBe(
      `DPoP realm="api://knowledge.prod", error="invalid_dpop_proof", error_description="send one DPoP header with a proof for this request", ${algs}, Bearer realm="api://knowledge.prod"`,
    );
    expect((await call(`Bearer ${token}`, [])).challenge).toBe(
      `Bearer realm="api://knowledge.prod", error="invalid_token", error_description="the token is bound to a key and cannot be used as a bearer token", DPoP realm="api://knowledge.prod", ${algs}`,
    );
  });
});
