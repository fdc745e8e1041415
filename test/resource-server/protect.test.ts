import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  accessTokenOf,
  createVerifier,
  type Protection,
  protect,
  protectKoa,
  type TokenUse,
} from '../../src/resource-server/index.ts';
import { refuse } from '../../src/resource-server/refusal.ts';
import { send } from '../http/wire.ts';
import { createProver } from '../support/prover.ts';
import { AUDIENCE, json, type LocalIssuer, startIssuer } from './local-issuer.ts';

let local: LocalIssuer;
let server: Server | undefined;
let uses: TokenUse[];
let reported: () => void;
let protection: Protection;

beforeEach(async () => {
  local = await startIssuer();
  uses = [];
  reported = () => {};
  const report = (use: TokenUse): void => {
    uses.push(use);
    reported();
  };
  protection = {
    verifier: createVerifier({ issuer: local.issuer, audience: AUDIENCE }),
    scope: 'articles.read',
    uses: { report, flush: async () => {}, stop: async () => {} },
  };
});
afterEach(async () => {
  protection.verifier.close();
  server?.closeAllConnections();
  server?.close();
  await local.close();
});

const listen = async (listener: RequestListener): Promise<string> => {
  const started = createServer(listener);
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}/`;
};
const usesReported = (count: number): Promise<void> =>
  new Promise((resolve) => {
    reported = () => uses.length >= count && resolve();
    reported();
  });
const bearer = async (
  claims: Record<string, unknown> = {},
): Promise<{ headers: { authorization: string } }> => ({
  headers: { authorization: `Bearer ${await local.sign(claims)}` },
});

const plain: RequestListener = (request, response) => {
  protect(protection)(request, response, (error) => {
    if (error !== undefined) response.writeHead(500).end();
    else response.writeHead(201).end(`hello ${accessTokenOf(request).agent}`);
  });
};
const koa = (): RequestListener => {
  const app = new Koa();
  app.use((context, next) => protectKoa(protection)(context, next));
  app.use((context) => {
    context.status = 201;
    context.body = `hello ${accessTokenOf(context.req).agent}`;
  });
  return app.callback();
};

describe.each([
  ['node:http', () => plain],
  ['koa', koa],
])('behind %s', (_name, listener) => {
  it('lets a verified request through with its token, and reports the status that the API answered', async () => {
    const answer = await fetch(await listen(listener()), await bearer());
    expect([answer.status, await answer.text()]).toEqual([201, 'hello support-agent']);
    await usesReported(1);
    expect(uses).toMatchObject([{ tokenId: 'tok_0000000000000000000000', outcome: 'allowed', status: 201 }]);
  });

  it('answers a request without a token with a bare challenge, and has nothing to report', async () => {
    const url = await listen(listener());
    const answer = await fetch(url);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="api://knowledge.prod"');
    expect(await answer.json()).toEqual({});
    await fetch(url, { headers: { authorization: 'Bearer x.y.z' } });
    await fetch(url, await bearer());
    await usesReported(1);
    expect(uses.map((use) => use.outcome)).toEqual(['allowed']);
  });

  it('answers 403 to a token for another action, and reports the refusal', async () => {
    const answer = await fetch(await listen(listener()), await bearer({ scope: 'articles.write' }));
    expect(answer.status).toBe(403);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toMatchObject({ error: 'insufficient_scope' });
    await usesReported(1);
    expect(uses).toMatchObject([
      {
        tokenId: 'tok_0000000000000000000000',
        outcome: 'refused',
        status: 403,
        reason: 'insufficient_scope',
      },
    ]);
  });

  it('lets a bound token through with its proof once, and asks for one otherwise', async () => {
    const url = await listen(listener());
    protection = {
      ...protection,
      verifier: createVerifier({ issuer: local.issuer, audience: AUDIENCE, url: url.slice(0, -1) }),
    };
    const prover = await createProver();
    const accessToken = await local.sign({ cnf: { jkt: prover.thumbprint } });
    const authorization = `DPoP ${accessToken}`;
    const dpop = prover.prove('GET', url, { accessToken });
    const send = async (headers: Record<string, string>) => (await fetch(url, { headers })).status;
    expect(await send({ authorization, dpop })).toBe(201);
    expect(await send({ authorization, dpop })).toBe(401);
    expect(await send({ authorization })).toBe(401);
    const next = prover.prove('GET', url, { accessToken });
    expect(await send({ authorization, dpop: `${next}, ${next}` })).toBe(401);
    expect(await send({ authorization, dpop: next })).toBe(201);
  });

  it('answers 400 to two Authorization headers, whichever of them is good, and runs nothing (RFC 9110 section 5.3)', async () => {
    const { port, host } = new URL(await listen(listener()));
    const good = `Authorization: Bearer ${await local.sign({})}`;
    for (const other of ['Authorization: Bearer x.y.z', 'authorization: Basic eDp5', good]) {
      for (const both of [
        [good, other],
        [other, good],
      ]) {
        const answer = await send(Number(port), 'GET /', [`Host: ${host}`, ...both]);
        expect(answer.status).toBe(400);
        expect(answer.body).toContain('"error":"invalid_request"');
        expect(answer.body).toContain('send one Authorization header, with a scheme and one token');
      }
    }
    expect((await send(Number(port), 'GET /', [`Host: ${host}`, good])).status).toBe(201);
    await usesReported(1);
    expect(uses.map((use) => use.outcome)).toEqual(['allowed']);
  });

  it('takes no bound token with two DPoP headers, though each of them is good (RFC 9449 section 4.3)', async () => {
    const url = await listen(listener());
    const { port, host } = new URL(url);
    protection = {
      ...protection,
      verifier: createVerifier({ issuer: local.issuer, audience: AUDIENCE, url: url.slice(0, -1) }),
    };
    const prover = await createProver();
    const accessToken = await local.sign({ cnf: { jkt: prover.thumbprint } });
    const proof = (): string => `DPoP: ${prover.prove('GET', url, { accessToken })}`;
    const headers = [`Host: ${host}`, `Authorization: DPoP ${accessToken}`];
    const answer = await send(Number(port), 'GET /', [...headers, proof(), proof()]);
    expect(answer.status).toBe(401);
    expect(answer.body).toContain('"error":"invalid_dpop_proof"');
    expect((await send(Number(port), 'GET /', [...headers, proof()])).status).toBe(201);
  });

  it('answers 403 to a caller that is not on the list, whatever its token allows, and reports why (T120)', async () => {
    protection = { ...protection, callers: ['ops-agent'] };
    const url = await listen(listener());
    const answer = await fetch(url, await bearer());
    expect(answer.status).toBe(403);
    expect(answer.headers.get('www-authenticate')).toContain('error="access_denied"');
    expect(await answer.json()).toMatchObject({ error: 'access_denied' });
    expect((await fetch(url, await bearer({ client_id: 'ops-agent' }))).status).toBe(201);
    await usesReported(2);
    expect(uses[0]).toMatchObject({ outcome: 'refused', status: 403, reason: 'caller_not_allowed' });
    protection = { ...protection, callers: [] };
    expect((await fetch(url, await bearer({ client_id: 'ops-agent' }))).status).toBe(403);
  });

  it('answers 401 to a revoked token, and reports why (T88)', async () => {
    local.feed.tell({ revoked: [{ jti: 'tok_0000000000000000000000', exp: 9_999_999_999 }] });
    protection = {
      ...protection,
      verifier: createVerifier({ issuer: local.issuer, audience: AUDIENCE }),
    };
    const answer = await fetch(await listen(listener()), await bearer());
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({
      error: 'invalid_token',
      error_description: 'the token was revoked',
    });
    await usesReported(1);
    expect(uses).toMatchObject([
      { tokenId: 'tok_0000000000000000000000', outcome: 'refused', status: 401, reason: 'revoked' },
    ]);
  });

  it('answers 503 while nobody can say whether a token was revoked', async () => {
    local.answer('/revocations', json(503, {}));
    protection = {
      ...protection,
      verifier: createVerifier({ issuer: local.issuer, audience: AUDIENCE }),
    };
    const answer = await fetch(await listen(listener()), await bearer());
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await answer.json()).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'whether the token was revoked cannot be told',
    });
  });

  it('answers 429 to an agent that has used more proofs than can be remembered of it, and reports that (T120)', async () => {
    const tokenId = 'tok_0000000000000000000000';
    const refusal = refuse('too_many_proofs', {
      realm: AUDIENCE,
      scope: 'articles.read',
      tokenId,
      scheme: 'DPoP',
      acceptsProofs: true,
    });
    const { verifier } = protection;
    protection = { ...protection, verifier: { ...verifier, verify: async () => ({ refusal }) } };
    const answer = await fetch(await listen(listener()), await bearer());
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '5']);
    expect(await answer.json()).toMatchObject({ error: 'slow_down' });
    await usesReported(1);
    expect(uses).toMatchObject([{ tokenId, outcome: 'refused', status: 429, reason: 'too_many_proofs' }]);
  });

  it('answers 503 while the keys cannot be read', async () => {
    local.answer('/jwks', json(500, {}));
    const answer = await fetch(await listen(listener()), await bearer());
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  });
});

it('gives no token of a request that did not pass', async () => {
  const url = await listen((request, response) => {
    expect(() => accessTokenOf(request)).toThrow('did not pass protect()');
    response.end();
  });
  expect((await fetch(url)).status).toBe(200);
});
