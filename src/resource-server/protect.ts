/**
 * The verifier as middleware. Works on Node's own request and response, which Express and Koa hand out too, so no
 * framework is imported. The action behind it runs only with a verified token, which `accessTokenOf` gives.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ProvenRequest } from './bound-use.ts';
import { KeysUnavailable } from './issuer-keys.ts';
import { RevocationsUnavailable } from './revocations.ts';
import type { TokenUse, UseReporter } from './use-reporter.ts';
import type { VerifiedAccessToken } from './verified-access-token.ts';
import type { Verification, Verifier } from './verifier.ts';

export type Protection = {
  readonly verifier: Verifier;
  /** What the action needs, space-separated. */
  readonly scope: string;
  /**
   * Ids of the only agents that may call, whatever their tokens allow; without it any may. For what an agent serves to
   * other agents: it knows whose errands it runs.
   */
  readonly callers?: readonly string[];
  /** Where uses are reported to; without it none are. */
  readonly uses?: UseReporter;
};

/** What `protectKoa` needs of Koa's context. */
export type KoaContext = {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly originalUrl?: string;
};

/** Pause suggested to callers while the broker cannot be asked, or no more proofs can be remembered. */
const RETRY_AFTER_SECONDS = 5;

const tokens = new WeakMap<IncomingMessage, VerifiedAccessToken>();

/** The token that let this request through. Throws if the request did not come through `protect`. */
export const accessTokenOf = (request: IncomingMessage): VerifiedAccessToken => {
  const token = tokens.get(request);
  if (token === undefined) throw new Error('this request did not pass protect()');
  return token;
};

const answer = (
  response: ServerResponse,
  { status, headers, body }: { status: number; headers: Record<string, string>; body: object },
): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
  response.end(JSON.stringify(body));
};

type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The request target before a router cut it. */
  readonly target: string;
};

const provenRequest = ({ request, target }: Exchange): ProvenRequest => ({
  method: request.method ?? '',
  target,
  proofs: request.headers.dpop === undefined ? [] : (request.headersDistinct.dpop ?? []),
});

/** Verifies the request; null when it was answered because what to judge it by cannot be had from the broker. */
const verify = async (
  { verifier, scope, callers }: Protection,
  exchange: Exchange,
): Promise<Verification | null> => {
  try {
    return await verifier.verify(exchange.request.headersDistinct.authorization, {
      scope,
      callers,
      request: provenRequest(exchange),
    });
  } catch (error) {
    if (!(error instanceof KeysUnavailable || error instanceof RevocationsUnavailable)) throw error;
    const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) };
    const body = { error: 'temporarily_unavailable', error_description: error.message };
    answer(exchange.response, { status: 503, headers, body });
    return null;
  }
};

/** What is told of a caller that went away before it was answered; none of HTTP's, as proxies write it into their logs. */
const CALLER_GONE = 499;

/** What is told of an action that has not answered by then (RFC 2518 section 10.1). */
const STILL_RUNNING = 102;
/**
 * A use is told this long after it at the latest. When an answer ends is the caller's choice: it may read slowly, or ask
 * for something long before it on the same connection.
 */
const REPORT_WITHIN_MS = 5_000;

/** Reports the use when its status is known; 'close' comes for broken connections too, and may have come already. */
const reportAtEnd = (
  uses: UseReporter | undefined,
  response: ServerResponse,
  use: Omit<TokenUse, 'status' | 'at'>,
): void => {
  const at = new Date();
  const report = (unanswered: number): void => {
    clearTimeout(patience);
    response.off('close', atClose);
    uses?.report({ ...use, at, status: response.headersSent ? response.statusCode : unanswered });
  };
  const atClose = (): void => report(CALLER_GONE);
  const patience = setTimeout(() => report(STILL_RUNNING), REPORT_WITHIN_MS).unref();
  if (response.closed) atClose();
  else response.once('close', atClose);
};

/** True when the request may go on; otherwise it is answered. */
const admit = async (protection: Protection, exchange: Exchange): Promise<boolean> => {
  const verification = await verify(protection, exchange);
  if (verification === null) return false;
  const { request, response } = exchange;
  if ('token' in verification) {
    // Nobody would hear of it, and whoever goes away at once could have done in silence what leaves a trace otherwise.
    if (response.closed) return false;
    const { token } = verification;
    reportAtEnd(protection.uses, response, { tokenId: token.tokenId, outcome: 'allowed' });
    tokens.set(request, token);
    return true;
  }
  const { reason, status, error, description, challenge, tokenId } = verification.refusal;
  if (tokenId !== null) reportAtEnd(protection.uses, response, { tokenId, outcome: 'refused', reason });
  const body = error === null ? {} : { error, error_description: description };
  const pause = status === 429 && { 'retry-after': String(RETRY_AFTER_SECONDS) };
  answer(response, { status, headers: { 'www-authenticate': challenge, ...pause }, body });
  return false;
};

/** Express cuts what a router is mounted at off `url`, and keeps the whole here. */
const targetOf = (request: IncomingMessage & { readonly originalUrl?: unknown }): string =>
  typeof request.originalUrl === 'string' ? request.originalUrl : (request.url ?? '');

/** Middleware for `node:http` and Express: `next` runs for a verified request, any other is answered. */
export const protect =
  (protection: Protection) =>
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void => {
    admit(protection, { request, response, target: targetOf(request) }).then((admitted) => {
      if (admitted) next();
    }, next);
  };

/** Middleware for Koa: the rest of the chain runs for a verified request, any other is answered. */
export const protectKoa =
  (protection: Protection) =>
  async (context: KoaContext, next: () => Promise<unknown>): Promise<void> => {
    const { req: request, res: response } = context;
    const target = context.originalUrl ?? targetOf(request);
    if (await admit(protection, { request, response, target })) await next();
  };
