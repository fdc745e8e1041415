/**
 * One errand of an agent, told step by step: sign in to Entra, ask the broker, wait if a person must countersign, call
 * the API. The record is what the demo page shows; it never holds an assertion or a token, only what a token says.
 */
import { decodeJwt } from 'jose';
import { type Ask, type ExchangeResult, exchange } from './exchange.ts';
import type { Prove } from './proof-key.ts';

export type Step = {
  /** RFC 3339. */
  readonly at: string;
  readonly name: 'signed_in' | 'asked' | 'waiting' | 'trouble' | 'token' | 'called' | 'refused' | 'failed';
  /** One line for people. */
  readonly text: string;
};

export type Run = {
  readonly id: string;
  readonly agent: string;
  readonly scenario: string | null;
  readonly audience: string;
  readonly scope: string;
  state: 'running' | 'waiting' | 'done' | 'refused' | 'failed';
  /** The broker's id of the access request, when it is known. */
  request_id: string | null;
  /** How often the exchange was repeated while it was pending. */
  repeats: number;
  readonly steps: Step[];
  /** What the access token says; never the token. */
  token: Readonly<Record<string, unknown>> | null;
  /** What the API answered. */
  answer: { readonly status: number; readonly body: unknown } | null;
};

/** An API as the agent was told of it. */
export type KnownApi = {
  readonly audience: string;
  readonly url: string;
  readonly calls: readonly { readonly scope: string; readonly method: string; readonly path: string }[];
};

export type AgentParts = {
  readonly tokenEndpoint: string;
  readonly assertion: () => Promise<string>;
  /** How the agent proves itself to Entra, in words. */
  readonly credentialWords: string;
  readonly apis: readonly KnownApi[];
  /** Signs proofs with a key of the agent's own; null: it uses bearer tokens. */
  readonly prove: Prove | null;
  readonly signal: AbortSignal;
};

const tell = (run: Run, name: Step['name'], text: string): void => {
  run.steps.push({ at: new Date().toISOString(), name, text });
};

/** What the agent is to do. */
export type Errand = Ask & {
  /** What it tries first: to get through with a token for another API. */
  readonly borrowed?: { readonly audience: string; readonly scope: string } | undefined;
};

type IssuedToken = Extract<ExchangeResult, { kind: 'token' }>;

const obtain = (run: Run, ask: Ask, parts: AgentParts): Promise<ExchangeResult> => {
  tell(run, 'asked', `Asked the broker for ${ask.scope} on ${ask.audience}.`);
  return exchange(ask, {
    tokenEndpoint: parts.tokenEndpoint,
    assertion: parts.assertion,
    prove: parts.prove,
    signal: parts.signal,
    onPending: ({ requestId, intervalSeconds }) => {
      if (run.state === 'waiting') run.repeats += 1;
      else
        tell(
          run,
          'waiting',
          `A person must countersign. Repeats the same request every ${intervalSeconds} s.`,
        );
      run.state = 'waiting';
      run.request_id = requestId;
    },
    onTrouble: (trouble) => {
      if (run.steps.at(-1)?.name !== 'trouble') tell(run, 'trouble', `Will ask again: ${trouble}.`);
    },
  });
};

const callOf = (run: Run, parts: AgentParts) => {
  const api = parts.apis.find(({ audience }) => audience === run.audience);
  const call = api?.calls.find(({ scope }) => run.scope.split(' ').includes(scope));
  return api === undefined || call === undefined ? null : { ...call, url: `${api.url}${call.path}` };
};

const REFUSED: readonly number[] = [401, 403];
const whyOf = (body: unknown): string =>
  typeof body === 'object' && body !== null && 'error_description' in body
    ? `: ${String(body.error_description)}`
    : '';

/** Calls the API of this run with a token, whatever that is for; null: there is nothing to call. */
const callApi = async (run: Run, parts: AgentParts, issued: IssuedToken): Promise<Run['answer']> => {
  const call = callOf(run, parts);
  if (call === null) return null;
  const { method, path, url } = call;
  const { accessToken, tokenType } = issued;
  const proof = parts.prove?.(method, url, accessToken);
  const response = await fetch(url, {
    method,
    headers: { authorization: `${tokenType} ${accessToken}`, ...(proof !== undefined && { dpop: proof }) },
    signal: parts.signal,
  });
  const body: unknown = await response.json();
  const { aud } = decodeJwt(accessToken);
  const token = aud === run.audience ? 'the token' : `a token for ${aud}`;
  const isRefused = REFUSED.includes(response.status);
  tell(
    run,
    isRefused ? 'refused' : 'called',
    `Called ${method} ${path} with ${token}; the API answered ${response.status}${isRefused ? whyOf(body) : ''}.`,
  );
  return { status: response.status, body };
};

const tryBorrowed = async (run: Run, parts: AgentParts, ask: Ask): Promise<void> => {
  const result = await obtain(run, ask, parts);
  if (result.kind === 'token') await callApi(run, parts, result);
};

const stateAfter = (answer: Run['answer']): Run['state'] => {
  if (answer === null || answer.status < 300) return 'done';
  return REFUSED.includes(answer.status) ? 'refused' : 'failed';
};

const finish = async (run: Run, parts: AgentParts, result: ExchangeResult): Promise<void> => {
  run.request_id = result.requestId ?? run.request_id;
  if (result.kind === 'refused') {
    tell(run, 'refused', `The broker said ${result.error}: ${result.description}`);
    run.state = 'refused';
    return;
  }
  run.token = decodeJwt(result.accessToken);
  const holder = result.tokenType === 'DPoP' ? ', for the holder of its key alone' : '';
  tell(
    run,
    'token',
    `Got a token that allows ${result.scope} and is good for ${result.expiresInSeconds} s${holder}.`,
  );
  run.answer = await callApi(run, parts, result);
  run.state = stateAfter(run.answer);
};

/** Runs the errand to its end, changing `run` as it goes. Never rejects: what fails is told in the run. */
export const perform = async (run: Run, errand: Errand, parts: AgentParts): Promise<void> => {
  const { borrowed, ...ask } = errand;
  try {
    await parts.assertion();
    tell(
      run,
      'signed_in',
      `Signed in to Entra with ${parts.credentialWords}; the assertion says who it is, no more.`,
    );
    if (borrowed !== undefined)
      await tryBorrowed(run, parts, { ...borrowed, requestId: ask.requestId && `${ask.requestId}.borrowed` });
    const result = await obtain(run, ask, parts);
    run.state = 'running';
    await finish(run, parts, result);
  } catch (error) {
    tell(run, 'failed', `Gave up: ${error instanceof Error ? error.message : String(error)}`);
    run.state = 'failed';
  }
};
