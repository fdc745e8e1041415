/**
 * What machines ask about the broker, on a listener of its own: /healthz, /readyz and /metrics. Whoever reaches it is let
 * in, but for pages of a browser (`isAddressed`), and may only read; what asks the database is asked once for all who
 * come meanwhile.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { sendJson, setGuards } from '../http/front-door.ts';
import { oneAtATime } from '../one-at-a-time.ts';
import { isAddressed } from './is-addressed.ts';
import type { Metrics } from './metrics.ts';

/** One thing that must hold before the broker is sent requests; `problem` says what is wrong. */
export type Check = { readonly name: string; readonly problem: string | null };

export type OperationsOptions = {
  /** The configured host of the listener. */
  readonly host: string;
  readonly metrics: Metrics;
  readonly checks: () => Promise<readonly Check[]>;
  /** What works but is weaker than it should be, a sentence each. */
  readonly notes: readonly string[];
  readonly logger: Logger;
};

type Answer = (response: ServerResponse) => Promise<void>;

/** What `read` gives, read once at a time for all who ask. */
const shared = <Value>(read: () => Promise<Value>): (() => Promise<Value>) => {
  let latest: Promise<Value> | undefined;
  const look = oneAtATime(async () => {
    latest = read();
    await latest;
  });
  return async () => {
    await look();
    return latest ?? read();
  };
};

const answersOf = ({ metrics, checks, notes }: OperationsOptions): ReadonlyMap<string, Answer> => {
  const check = shared(checks);
  const expose = shared(metrics.expose);
  return new Map<string, Answer>([
    ['/healthz', async (response) => sendJson(response, 200, { status: 'alive' })],
    [
      '/readyz',
      async (response) => {
        const found = await check();
        const ready = found.every(({ problem }) => problem === null);
        const status = ready ? 'ready' : 'not ready';
        sendJson(response, ready ? 200 : 503, { status, checks: found, notes });
      },
    ],
    [
      '/metrics',
      async (response) => {
        const { type, text } = await expose();
        response.setHeader('Content-Type', type);
        response.end(text);
      },
    ],
  ]);
};

/** Answers on the operations listener. Tells nothing of the inside but in the log. */
export const operationsHandler = (options: OperationsOptions): RequestListener => {
  const answers = answersOf(options);
  return (request: IncomingMessage, response: ServerResponse) => {
    setGuards(response, false);
    if (!isAddressed(request, options.host)) return sendJson(response, 421, { error: 'host_unknown' });
    const answer = answers.get(request.url ?? '');
    if (answer === undefined) return sendJson(response, 404, { error: 'not_found' });
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return sendJson(response, 405, { error: 'method_not_allowed' });
    }
    answer(response).catch((error: unknown) => {
      options.logger.error({ err: error, path: request.url }, 'the operations listener answered 500');
      sendJson(response, 500, { error: 'server_error' });
    });
  };
};
