/** The HTTP side of `/token`: strict form in, one exchange, one answer out; and what its failures look like. */
import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import { readForm } from '../http/form.ts';
import { traceIdOf } from '../http/trace-id.ts';
import { retryAfterSecondsOf } from '../http/unavailable.ts';
import { type AnswerParts, answerOf } from './answer.ts';
import type { Nonces } from './dpop-nonce.ts';
import type { ExchangeCall, ExchangeParts } from './exchange-parts.ts';
import type { Outcome } from './outcome.ts';
import { createTokenEndpoint } from './token-endpoint.ts';
import { exchange } from './token-exchange.ts';

export type TokenRouteOptions = AnswerParts & {
  readonly exchange: ExchangeParts;
  /** Handed out with answers to proofs, null where none are demanded. */
  readonly nonces: Nonces | null;
  readonly logger: Logger;
  /** Observes each exchange: its outcome and its duration in seconds. */
  readonly observe: (outcome: string, seconds: number) => void;
};

const labelOf = (outcome: Outcome): string => {
  if (outcome.kind === 'refused') return outcome.reason;
  return outcome.kind === 'pending' && outcome.early ? 'slow_down' : outcome.kind;
};

/** Answers `/token`, and nothing else: matched by hand, since a router's search is a part of what an exchange costs. */
export const tokenRoute = (options: TokenRouteOptions): Middleware => {
  const { logger } = options;
  const calls = new WeakMap<IncomingMessage, ExchangeCall>();
  const endpoint = createTokenEndpoint({
    issuer: options.issuer,
    signingKey: options.signingKey(),
    onServerError: (error) => logger.error({ err: error }, 'token endpoint failed'),
    answer: async (original, context) => {
      const call = calls.get(original);
      if (call === undefined) throw new Error('an exchange without its call');
      const started = performance.now();
      let label = 'failed';
      try {
        const outcome = await exchange(options.exchange, call);
        const { status, headers, body } = answerOf(options, outcome, call.authorization !== undefined);
        label = labelOf(outcome);
        context.status = status;
        context.set(headers);
        if (options.nonces !== null && (call.proofs.length > 0 || label === 'proof_required'))
          context.set('DPoP-Nonce', options.nonces.issue(options.exchange.clock()));
        context.body = body;
      } catch (error) {
        const seconds = retryAfterSecondsOf(error);
        if (seconds === null) throw error;
        label = 'unavailable';
        logger.warn({ err: error, traceId: call.traceId }, 'exchange answered 503');
        context.status = 503;
        context.set('Retry-After', String(seconds));
        context.body = {
          error: 'temporarily_unavailable',
          error_description: 'nothing was issued; try the same request again',
        };
      } finally {
        options.observe(label, (performance.now() - started) / 1000);
      }
    },
  });

  return async (context, next) => {
    if (context.path !== '/token') return next();
    // RFC 6749 section 5.1 wants both.
    context.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' });
    if (context.method !== 'POST') {
      context.set('Allow', 'POST');
      context.status = 405;
      context.body = { error: 'invalid_request', error_description: 'send a POST with a form' };
      return;
    }
    const form = await readForm(context.req);
    if ('error' in form) {
      context.status = form.status;
      if (form.close) context.set('Connection', 'close');
      context.body = { error: form.error, error_description: form.description };
      return;
    }
    calls.set(context.req, {
      form,
      authorization: context.req.headers.authorization,
      proofs: context.req.headers.dpop === undefined ? [] : (context.req.headersDistinct.dpop ?? []),
      address: context.state.clientAddress,
      traceId: traceIdOf(context.get('traceparent')),
    });
    context.respond = false;
    await endpoint.handle(context.req, context.res, form);
  };
};
