/**
 * The door of an agent that serves other agents: a caller comes with its own token for this audience, and is on the
 * list. What the agent then does it does in its own name, with a request and a token of its own: a token is never
 * passed on, so each trace tells who did what.
 */
import Router, { type RouterContext } from '@koa/router';
import {
  accessTokenOf,
  createUseReporter,
  createVerifier,
  protectKoa,
} from '../../src/resource-server/index.ts';
import type { Ask } from './exchange.ts';
import type { Run } from './run.ts';
import { COMPILATIONS } from './served-api.ts';

export type ServiceOptions = {
  readonly issuer: string;
  /** Where callers reach this agent. */
  readonly url: string;
  /** Proves the API that the agent is to the broker; another workload than the agent's own. */
  readonly credential: () => Promise<string>;
  /** A line for the lab's terminal when the broker cannot be reached. */
  readonly onProblem: (problem: string) => void;
};

/** Runs an errand of the agent's own to its end. */
export type RunErrand = (ask: Ask) => Promise<Run>;

export type Service = { readonly router: Router; readonly close: () => Promise<void> };

export const openCompilations = (options: ServiceOptions, runErrand: RunErrand): Service => {
  const { issuer, url, onProblem } = options;
  const { audience, scope, callers, needs, method, path } = COMPILATIONS;
  const verifier = createVerifier({ issuer, audience, url, onProblem });
  const uses = createUseReporter({ issuer, credential: options.credential, onProblem });
  const router = new Router();
  const compile = async (context: RouterContext): Promise<void> => {
    const { agent } = accessTokenOf(context.req);
    const run = await runErrand({ ...needs, justification: `Compiles reports for ${agent}.` });
    context.status = run.state === 'done' ? 200 : 502;
    context.body = {
      compiled_for: agent,
      compiled_by: run.agent,
      // The trace of what was done for the caller; the caller's own request has another.
      request_id: run.request_id,
      ...(run.state === 'done' && { reports: run.answer?.body }),
    };
  };
  router.register(path, [method], [protectKoa({ verifier, uses, scope, callers }), compile]);
  return {
    router,
    close: async () => {
      verifier.close();
      await uses.stop();
    },
  };
};
