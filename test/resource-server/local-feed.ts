/** The feed of revocations of the issuer on loopback: honest, long-polled, signed. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type JWTPayload, SignJWT } from 'jose';
import type { Revocations } from '../../src/resource-server/index.ts';
import type { SigningKey } from './local-issuer.ts';

export type Delta = {
  readonly revoked?: readonly { readonly jti: string; readonly exp: number }[];
  readonly not_before?: Readonly<Record<string, unknown>>;
};

export type LocalFeed = {
  readonly tell: (delta: Delta) => void;
  /** A good first answer, with what the test changes; `undefined` takes a member away. */
  readonly sign: (
    claims?: Record<string, unknown>,
    options?: { key?: SigningKey; header?: Record<string, unknown> },
  ) => Promise<string>;
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
};

/** For tests of something else: nobody asks the issuer. */
export const NOTHING_REVOKED: Revocations = {
  opened: Promise.resolve(),
  isRevoked: () => false,
  keyWithdrawnAt: () => Number.NEGATIVE_INFINITY,
  ageSeconds: () => 0,
  close: () => {},
};

const seconds = (): number => Math.floor(Date.now() / 1000);

export const createLocalFeed = (issuer: string, key: SigningKey): LocalFeed => {
  const log: Delta[] = [];
  const held = new Set<() => void>();

  const sign: LocalFeed['sign'] = (claims = {}, options = {}) => {
    const signer = options.key ?? key;
    const payload: JWTPayload = {
      iss: issuer,
      iat: seconds(),
      cursor: 'c0',
      complete: true,
      revoked: [],
      not_before: {},
      ...claims,
    };
    return new SignJWT(payload)
      .setProtectedHeader({
        alg: signer.jwk.alg ?? 'ES256',
        typ: 'revocations+jwt',
        kid: signer.kid,
        ...options.header,
      })
      .sign(signer.privateKey);
  };

  const answer = async (after: string | null, response: ServerResponse): Promise<void> => {
    const place = after === null ? 0 : Number(after.slice(1));
    const news = log.slice(place);
    const claims = {
      cursor: `c${log.length}`,
      complete: after === null,
      after: after ?? undefined,
      revoked: news.flatMap(({ revoked = [] }) => revoked),
      not_before: Object.assign({}, ...news.map(({ not_before }) => not_before)),
    };
    response.writeHead(200, { 'content-type': 'application/jwt' }).end(await sign(claims));
  };
  const hold = (request: IncomingMessage): Promise<void> =>
    new Promise((resolve) => {
      const wait = Number(/wait=(\d+)/.exec(String(request.headers.prefer))?.[1] ?? 0);
      setTimeout(resolve, wait * 1000).unref();
      held.add(resolve);
    });

  return {
    sign,
    tell: (delta) => {
      log.push(delta);
      for (const wake of held) wake();
      held.clear();
    },
    serve: async (request, response) => {
      const after = new URL(request.url ?? '', issuer).searchParams.get('after');
      if (after === `c${log.length}`) await hold(request);
      await answer(after, response);
    },
  };
};
