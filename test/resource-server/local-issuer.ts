/** An issuer on loopback: publishes keys, signs tokens, takes reports, and does as badly as a test tells it to. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { createLocalFeed, type LocalFeed } from './local-feed.ts';

export const AUDIENCE = 'api://knowledge.prod';

export type SigningKey = { readonly jwk: JWK; readonly kid: string; readonly privateKey: CryptoKey };

export const createSigningKey = async (alg: 'ES256' | 'RS256' = 'ES256'): Promise<SigningKey> => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { jwk: { ...jwk, kid, alg, use: 'sig' }, kid, privateKey };
};

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

export type LocalIssuer = {
  readonly issuer: string;
  readonly key: SigningKey;
  /** What `/revocations` tells unless it is answered otherwise. */
  readonly feed: LocalFeed;
  /** Every request so far, `METHOD /path`. */
  readonly history: string[];
  /** How a path (without its query) is answered from now on. */
  readonly answer: (path: string, answer: Answer) => void;
  readonly publish: (keys: readonly JWK[]) => void;
  /** A good token, with what the test changes; `undefined` takes a claim or header away. */
  readonly sign: (
    claims?: Record<string, unknown>,
    options?: { key?: SigningKey; header?: Record<string, unknown> },
  ) => Promise<string>;
  readonly close: () => Promise<void>;
};

export const json: (status: number, body: unknown) => Answer = (status, body) => (_request, response) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

export const startIssuer = async (): Promise<LocalIssuer> => {
  const key = await createSigningKey();
  const history: string[] = [];
  const answers = new Map<string, Answer>([['/jwks', json(200, { keys: [key.jwk] })]]);
  const server = createServer(async (request, response) => {
    history.push(`${request.method} ${request.url}`);
    let body = '';
    for await (const chunk of request) body += chunk;
    (answers.get(request.url?.split('?')[0] ?? '') ?? json(404, {}))(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const feed = createLocalFeed(issuer, key);
  answers.set('/revocations', feed.serve);

  const sign: LocalIssuer['sign'] = (claims = {}, options = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const signer = options.key ?? key;
    const payload: JWTPayload = {
      iss: issuer,
      sub: 'support-agent',
      client_id: 'support-agent',
      aud: AUDIENCE,
      scope: 'articles.read',
      iat: now,
      exp: now + 45,
      jti: 'tok_0000000000000000000000',
      txn: 'areq_0000000000000000000000',
      env: 'prod',
      ...claims,
    };
    const header: JWTHeaderParameters = {
      alg: signer.jwk.alg ?? 'ES256',
      typ: 'at+jwt',
      kid: signer.kid,
      ...options.header,
    };
    return new SignJWT(payload).setProtectedHeader(header).sign(signer.privateKey);
  };

  return {
    issuer,
    key,
    feed,
    history,
    answer: (path, answer) => answers.set(path, answer),
    publish: (keys) => answers.set('/jwks', json(200, { keys })),
    sign,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
