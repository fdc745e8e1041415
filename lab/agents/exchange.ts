/**
 * The agent's side of the token exchange (RFC 8693): one request, and the same request again until there is an
 * answer. Nothing here is special to this broker but `request_id` and the words of a pending answer, and an agent
 * needs no library for it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { Prove } from './proof-key.ts';

export type Ask = {
  readonly audience: string;
  readonly scope: string;
  /** The agent's own words to the approver. */
  readonly justification?: string | undefined;
  /** The agent's idempotency key. */
  readonly requestId?: string | undefined;
  /** Seconds for which the grant is wanted. */
  readonly requestedExpiresIn?: number | undefined;
};

export type ExchangeOptions = {
  readonly tokenEndpoint: string;
  /** The agent's Entra assertion, fresh at each call. */
  readonly assertion: () => Promise<string>;
  /** Signs proofs with the agent's own key; null: the agent asks for bearer tokens. */
  readonly prove: Prove | null;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Told of every pending answer. */
  readonly onPending: (pending: PendingAnswer) => void;
  /** Told when the broker could not be asked and will be asked again. */
  readonly onTrouble: (trouble: string) => void;
};

export type PendingAnswer = {
  readonly requestId: string;
  readonly intervalSeconds: number;
  readonly expiresInSeconds: number;
  readonly slowDown: boolean;
};

export type ExchangeResult =
  | {
      readonly kind: 'token';
      readonly accessToken: string;
      /** `Bearer`, or `DPoP` if the token is bound to the agent's key. */
      readonly tokenType: string;
      readonly expiresInSeconds: number;
      /** How long repeats are given the next token. */
      readonly grantExpiresInSeconds: number;
      readonly scope: string;
      readonly requestId: string;
    }
  | {
      readonly kind: 'refused';
      readonly error: string;
      readonly description: string;
      readonly requestId: string | null;
    };

const issued = z.object({
  access_token: z.string(),
  issued_token_type: z.string(),
  token_type: z.string(),
  expires_in: z.number(),
  grant_expires_in: z.number().default(0),
  scope: z.string(),
  request_id: z.string(),
});
const pending = z.object({
  error: z.enum(['authorization_pending', 'slow_down']),
  request_id: z.string(),
  interval: z.number().min(1),
  expires_in: z.number(),
});
const refused = z.object({
  error: z.string(),
  error_description: z.string().default(''),
  request_id: z.string().nullable().default(null),
});

/** When the broker asks for patience without saying how long. */
const DEFAULT_RETRY_SECONDS = 5;

const form = (ask: Ask, assertion: string): URLSearchParams => {
  const parameters = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: assertion,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    audience: ask.audience,
    scope: ask.scope,
  });
  if (ask.justification !== undefined) parameters.set('justification', ask.justification);
  if (ask.requestId !== undefined) parameters.set('request_id', ask.requestId);
  if (ask.requestedExpiresIn !== undefined) {
    parameters.set('requested_expires_in', String(ask.requestedExpiresIn));
  }
  return parameters;
};

type Reply =
  | ExchangeResult
  | ({ readonly kind: 'pending' } & PendingAnswer)
  | { readonly kind: 'later'; readonly seconds: number; readonly trouble: string };

const askOnce = async (ask: Ask, options: ExchangeOptions): Promise<Reply> => {
  const response = await fetch(options.tokenEndpoint, {
    method: 'POST',
    headers: options.prove === null ? {} : { dpop: options.prove('POST', options.tokenEndpoint) },
    body: form(ask, await options.assertion()),
    signal: options.signal,
  });
  if (response.status === 429 || response.status >= 500) {
    await response.body?.cancel();
    const seconds = Number(response.headers.get('retry-after') ?? DEFAULT_RETRY_SECONDS);
    const trouble = `the broker answered with status ${response.status}`;
    return { kind: 'later', seconds: seconds > 0 ? seconds : DEFAULT_RETRY_SECONDS, trouble };
  }
  const body: unknown = await response.json();
  if (response.status === 200) {
    const { access_token, token_type, expires_in, grant_expires_in, scope, request_id } = issued.parse(body);
    return {
      kind: 'token',
      accessToken: access_token,
      tokenType: token_type,
      expiresInSeconds: expires_in,
      grantExpiresInSeconds: grant_expires_in,
      scope,
      requestId: request_id,
    };
  }
  const waiting = pending.safeParse(body);
  if (waiting.success) {
    const { error, request_id, interval, expires_in } = waiting.data;
    return {
      kind: 'pending',
      requestId: request_id,
      intervalSeconds: interval,
      expiresInSeconds: expires_in,
      slowDown: error === 'slow_down',
    };
  }
  const { error, error_description, request_id } = refused.parse(body);
  return { kind: 'refused', error, description: error_description, requestId: request_id };
};

const askOrWait = async (ask: Ask, options: ExchangeOptions): Promise<Reply> => {
  try {
    return await askOnce(ask, options);
  } catch (error) {
    if (options.signal.aborted || error instanceof z.ZodError) throw error;
    const trouble = error instanceof Error ? error.message : String(error);
    return { kind: 'later', seconds: DEFAULT_RETRY_SECONDS, trouble };
  }
};

/**
 * Asks until there is a token or a refusal, at the pace that the broker sets (RFC 8628 section 3.5).
 * Rejects when `signal` aborts, or when an answer is none that the protocol knows.
 */
export const exchange = async (ask: Ask, options: ExchangeOptions): Promise<ExchangeResult> => {
  for (;;) {
    const reply = await askOrWait(ask, options);
    if (reply.kind === 'token' || reply.kind === 'refused') return reply;
    if (reply.kind === 'pending') options.onPending(reply);
    else options.onTrouble(reply.trouble);
    const seconds = reply.kind === 'pending' ? reply.intervalSeconds : reply.seconds;
    await pause(seconds * 1000, undefined, { signal: options.signal });
  }
};
