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

type IssuedToken = Extract<ExchangeResult, { kind: 'token' }>;

const callApi = async (run: Run, parts: AgentParts, issued: IssuedToken): Promise<void> => {
  const api = parts.apis.find(({ audience }) => audience === run.audience);
  const call = api?.calls.find(({ scope }) => run.scope.split(' ').includes(scope));
  if (api === undefined || call === undefined) {
    run.state = 'done';
    return;
  }
  const url = `${api.url}${call.path}`;
  const { accessToken, tokenType } = issued;
  const proof = parts.prove?.(call.method, url, accessToken);
  const response = await fetch(url, {
    method: call.method,
    headers: { authorization: `${tokenType} ${accessToken}`, ...(proof !== undefined && { dpop: proof }) },
    signal: parts.signal,
  });
  const body: unknown = await response.json();
  run.answer = { status: response.status, body };
  tell(
    run,
    'called',
    `Called ${call.method} ${call.path} with the token; the API answered ${response.status}.`,
  );
  run.state = response.ok ? 'done' : 'failed';
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
  await callApi(run, parts, result);
};

/** Runs the errand to its end, changing `run` as it goes. Never rejects: what fails is told in the run. */
export const perform = async (run: Run, ask: Ask, parts: AgentParts): Promise<void> => {
  try {
    await parts.assertion();
    tell(
      run,
      'signed_in',
      `Signed in to Entra with ${parts.credentialWords}; the assertion says who it is, no more.`,
    );
    tell(run, 'asked', `Asked the broker for ${ask.scope} on ${ask.audience}.`);
    const result = await exchange(ask, {
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
    run.state = 'running';
    await finish(run, parts, result);
  } catch (error) {
    tell(run, 'failed', `Gave up: ${error instanceof Error ? error.message : String(error)}`);
    run.state = 'failed';
  }
};
