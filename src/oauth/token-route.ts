/** The HTTP side of `/token`: strict form in, one exchange, one answer out; and what its failures look like. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { readForm } from '../http/form.ts';
import { type FrontDoor, sendJson } from '../http/front-door.ts';
import { openOutageLog } from '../http/outage-log.ts';
import { openSlots, SLOTS, TooMuchUnderWay } from '../http/slots.ts';
import { traceIdOf } from '../http/trace-id.ts';
import { retryAfterSecondsOf } from '../http/unavailable.ts';
import type { FormReason } from '../reasons/form.ts';
import { type Answer, type AnswerParts, answerOf } from './answer.ts';
import type { Nonces } from './dpop-nonce.ts';
import type { ExchangeCall, ExchangeParts } from './exchange-parts.ts';
import type { Outcome } from './outcome.ts';
import { openPreferredWait } from './preferred-wait.ts';
import { type CallOrigin, tellMalformed } from './tell-refusal.ts';
import { createTokenEndpoint } from './token-endpoint.ts';
import { exchange } from './token-exchange.ts';

export type TokenRouteOptions = AnswerParts & {
  readonly exchange: ExchangeParts;
  /** Handed out with answers to proofs, null where none are demanded. */
  readonly nonces: Nonces | null;
  readonly logger: Logger;
  /** Observes each exchange: its outcome and its duration in seconds, without what it waited for people. */
  readonly observe: (outcome: string, seconds: number) => void;
};

/** Answers one request to `/token` that the front door let in; `address` is the client's. */
export type TokenRoute = (
  request: IncomingMessage,
  response: ServerResponse,
  address: string,
) => Promise<void>;

const labelOf = (outcome: Outcome): string => {
  if (outcome.kind === 'refused') return outcome.reason;
  return outcome.kind === 'pending' && outcome.early ? 'slow_down' : outcome.kind;
};

/** Answers `/token`: without the framework, which would be a part of what every exchange costs. */
export const openTokenRoute = (options: TokenRouteOptions): TokenRoute => {
  const { logger } = options;
  const tellOutage = openOutageLog(logger);
  const exchanges = openSlots(SLOTS.exchanges, () => options.observe('shed', 0));
  const endpoint = createTokenEndpoint({
    issuer: options.issuer,
    onServerError: (error) => logger.error({ err: error }, 'token endpoint failed'),
  });

  const answerExchange = async (call: ExchangeCall): Promise<Answer> => {
    const started = performance.now();
    let label: string | null = 'failed';
    try {
      const outcome = await exchange(options.exchange, call);
      const { status, headers, body } = answerOf(options, outcome, call.authorization !== undefined);
      label = labelOf(outcome);
      const tellNonce = options.nonces !== null && (call.proofs.length > 0 || label === 'proof_required');
      const nonce = tellNonce ? { 'DPoP-Nonce': options.nonces.issue(options.exchange.clock()) } : {};
      return { status, headers: { ...headers, ...nonce }, body };
    } catch (error) {
      // Counted where there was no room.
      if (error instanceof TooMuchUnderWay) label = null;
      const seconds = label === null ? null : retryAfterSecondsOf(error);
      if (seconds === null) throw error;
      label = 'unavailable';
      tellOutage(error, { traceId: call.traceId, path: '/token' });
      return {
        status: 503,
        headers: { 'Retry-After': String(seconds) },
        body: {
          error: 'temporarily_unavailable',
          error_description: 'nothing was issued; try the same request again',
        },
      };
    } finally {
      if (label !== null)
        options.observe(label, (performance.now() - started - (call.wait?.waitedMs() ?? 0)) / 1000);
    }
  };

  const refuse = (response: ServerResponse, status: number, error: string, description: string): void =>
    sendJson(response, status, { error, error_description: description });

  /** What is no form of an exchange takes nobody's place while it is told. */
  const tellForm = async (from: CallOrigin, reason: FormReason): Promise<void> => {
    options.observe(reason, 0);
    await tellMalformed(options.exchange, from, reason);
  };

  return async (request, response, address) => {
    // RFC 6749 section 5.1 wants both.
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Pragma', 'no-cache');
    const { authorization, dpop, traceparent } = request.headers;
    const from = { address, traceId: traceIdOf(String(traceparent ?? '')) };
    const form = await readForm(request);
    if ('error' in form) {
      if (form.reason === 'method_not_post') response.setHeader('Allow', 'POST');
      if (form.close) response.setHeader('Connection', 'close');
      await tellForm(from, form.reason);
      return refuse(response, form.status, form.error, form.description);
    }
    const refusal = await exchanges(async (pause) => {
      const refused = await endpoint.refusalOf(form);
      if (refused !== null) return refused;
      const wait = openPreferredWait(request, response, pause);
      const { status, headers, body } = await answerExchange({
        form,
        authorization,
        proofs: dpop === undefined ? [] : (request.headersDistinct.dpop ?? []),
        ...from,
        pause,
        wait,
      });
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      // RFC 7240 section 3.
      if (wait !== null && wait.waitedMs() !== null) response.setHeader('Preference-Applied', 'wait');
      sendJson(response, status, body);
      return null;
    });
    if (refusal === null) return;
    if (refusal.reason !== null) await tellForm(from, refusal.reason);
    sendJson(response, refusal.status, refusal.body);
  };
};

/** Lets `/token` in by `door` and answers it by `route`; everything else is the application's. */
export const withTokenRoute =
  (door: FrontDoor, route: TokenRoute, application: RequestListener): RequestListener =>
  (request, response) => {
    if (!/^\/token(?:\?|$)/.test(request.url ?? '')) return application(request, response);
    const address = door.admit(request, response);
    if (address === null) return;
    route(request, response, address).catch((error: unknown) => door.fail(request, response, error));
  };
