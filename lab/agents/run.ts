/**
 * One errand of an agent, told step by step: sign in to Entra, ask the broker, wait if a person must countersign, call
 * the API. The record is what the demo page shows; it never holds an assertion or a token, only what a token says.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import type { Stage } from '../scenarios.ts';
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
  /** What was asked before the run's own request, and under which id of the broker. */
  readonly before: (Stage & { readonly request_id: string | null })[];
  /** What the access token says; never the token. */
  token: Readonly<Record<string, unknown>> | null;
  /** The tokens it was given under its own request, one after the other; times in seconds since 1970. */
  readonly tokens: { readonly jti: string; readonly iat: number; readonly exp: number }[];
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
  /** What it does first, whatever comes of each. */
  readonly before?: readonly Stage[] | undefined;
  /** Goes on until what was granted is over, with one token after the other. */
  readonly keep?: boolean | undefined;
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
          `A person must countersign. Repeats the same request every ${intervalSeconds}\u00a0s.`,
        );
      run.state = 'waiting';
      run.request_id = requestId;
    },
    onTrouble: (trouble) => {
      if (run.steps.at(-1)?.name !== 'trouble') tell(run, 'trouble', `Will ask again: ${trouble}.`);
    },
  });
};

const callOf = (target: Pick<Run, 'audience' | 'scope'>, parts: AgentParts) => {
  const api = parts.apis.find(({ audience }) => audience === target.audience);
  const call = api?.calls.find(({ scope }) => target.scope.split(' ').includes(scope));
  return api === undefined || call === undefined ? null : { ...call, url: `${api.url}${call.path}` };
};

const REFUSED: readonly number[] = [401, 403];
const whyOf = (body: unknown): string =>
  typeof body === 'object' && body !== null && 'error_description' in body
    ? `: ${String(body.error_description)}`
    : '';

/** Calls an API with a token, whatever that is for; null: there is nothing to call. */
const callApi = async (
  run: Run,
  parts: AgentParts,
  {
    issued,
    target = run,
  }: { readonly issued: IssuedToken; readonly target?: Pick<Run, 'audience' | 'scope'> },
): Promise<Run['answer']> => {
  const call = callOf(target, parts);
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
  const token = aud === target.audience ? 'the token' : `a token for ${aud}`;
  const isRefused = REFUSED.includes(response.status);
  tell(
    run,
    isRefused ? 'refused' : 'called',
    `Called ${method} ${path} of ${target.audience} with ${token}; the API answered ${response.status}${isRefused ? whyOf(body) : ''}.`,
  );
  return { status: response.status, body };
};

const stateAfter = (answer: Run['answer']): Run['state'] => {
  if (answer === null || answer.status < 300) return 'done';
  return REFUSED.includes(answer.status) ? 'refused' : 'failed';
};

const tellRefusal = (run: Run, { error, description }: Extract<ExchangeResult, { kind: 'refused' }>): void =>
  tell(run, 'refused', `The broker said ${error}: ${description}`);

const tellToken = (run: Run, issued: IssuedToken, which: string): void => {
  const holder = issued.tokenType === 'DPoP' ? ', for the holder of its key alone' : '';
  tell(
    run,
    'token',
    `Got ${which} that allows ${issued.scope} and is good for ${issued.expiresInSeconds}\u00a0s${holder}.`,
  );
};

/** A stage on the way: what comes of it is told, and the errand goes on. */
const passStage = async (run: Run, parts: AgentParts, { at, ...ask }: Stage & Ask): Promise<void> => {
  const result = await obtain(run, ask, parts);
  run.before.push({ audience: ask.audience, scope: ask.scope, request_id: result.requestId });
  if (result.kind === 'refused') return tellRefusal(run, result);
  tellToken(run, result, 'a token');
  const target = at === undefined ? ask : { audience: at, scope: run.scope };
  await callApi(run, parts, { issued: result, target });
};

/** Takes a token of the run's own request: keeps what it says, and calls the API with it. */
const take = async (run: Run, parts: AgentParts, issued: IssuedToken): Promise<void> => {
  const claims = decodeJwt(issued.accessToken);
  const { jti = '', iat = 0, exp = 0 } = claims;
  if (run.tokens.some((token) => token.jti === jti)) return;
  tellToken(run, issued, run.tokens.length === 0 ? 'a token' : 'the next token');
  run.token = claims;
  run.tokens.push({ jti, iat, exp });
  run.answer = await callApi(run, parts, { issued });
};

/** When a third of a token's life is left, the same request is answered with the next one. */
const untilRotation = ({ tokens }: Run, issued: IssuedToken): number => {
  const { iat = 0, exp = 0 } = tokens.at(-1) ?? {};
  return Math.max(1, issued.expiresInSeconds - (exp - iat) / 3 + 1);
};

/** Asks again, in time, as long as it is granted; the state in which that ends. */
const keepToken = async (
  run: Run,
  parts: AgentParts,
  kept: { ask: Ask; issued: IssuedToken },
): Promise<Run['state']> => {
  let { issued } = kept;
  for (;;) {
    // Its end is the grant's: there is none after it.
    if (issued.grantExpiresInSeconds - issued.expiresInSeconds <= 1) return stateAfter(run.answer);
    await pause(untilRotation(run, issued) * 1_000, undefined, { signal: parts.signal });
    const next = await exchange(kept.ask, {
      ...parts,
      onPending: () => undefined,
      onTrouble: () => undefined,
    });
    if (next.kind === 'refused' && next.error === 'access_denied') {
      tellRefusal(run, next);
      return 'refused';
    }
    if (next.kind === 'refused' || next.requestId !== issued.requestId) return stateAfter(run.answer);
    await take(run, parts, next);
    issued = next;
  }
};

const finish = async (
  run: Run,
  parts: AgentParts,
  { result, errand }: { readonly result: ExchangeResult; readonly errand: Errand },
): Promise<void> => {
  run.request_id = result.requestId ?? run.request_id;
  if (result.kind === 'refused') {
    tellRefusal(run, result);
    run.state = 'refused';
    return;
  }
  await take(run, parts, result);
  run.state = errand.keep
    ? await keepToken(run, parts, { ask: errand, issued: result })
    : stateAfter(run.answer);
};

/** Runs the errand to its end, changing `run` as it goes. Never rejects: what fails is told in the run. */
export const perform = async (run: Run, errand: Errand, parts: AgentParts): Promise<void> => {
  try {
    await parts.assertion();
    tell(
      run,
      'signed_in',
      `Signed in to Entra with ${parts.credentialWords}; the assertion says who it is, no more.`,
    );
    for (const [index, stage] of (errand.before ?? []).entries())
      await passStage(run, parts, {
        ...stage,
        requestId: errand.requestId && `${errand.requestId}.${index}`,
      });
    const result = await obtain(run, errand, parts);
    run.state = 'running';
    await finish(run, parts, { result, errand });
  } catch (error) {
    tell(run, 'failed', `Gave up: ${error instanceof Error ? error.message : String(error)}`);
    run.state = 'failed';
  }
};
