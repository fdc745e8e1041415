/** What machines ask about the broker, on a listener of its own: /healthz, /readyz and /metrics. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Metrics } from './metrics.ts';

/** One thing that must hold before the broker is sent requests; `problem` says what is wrong. */
export type Check = { readonly name: string; readonly problem: string | null };

export type OperationsOptions = {
  readonly metrics: Metrics;
  readonly checks: () => Promise<readonly Check[]>;
  /** What works but is weaker than it should be, a sentence each. */
  readonly notes: readonly string[];
};

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
};

const answer = async (
  { metrics, checks, notes }: OperationsOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  switch (request.url) {
    case '/healthz':
      return json(response, 200, { status: 'alive' });
    case '/readyz': {
      const found = await checks();
      const ready = found.every(({ problem }) => problem === null);
      return json(response, ready ? 200 : 503, {
        status: ready ? 'ready' : 'not ready',
        checks: found,
        notes,
      });
    }
    case '/metrics': {
      const { type, text } = await metrics.expose();
      response.writeHead(200, { 'Content-Type': type });
      response.end(text);
      return;
    }
    default:
      return json(response, 404, { error: 'not_found' });
  }
};

export const operationsHandler =
  (options: OperationsOptions): RequestListener =>
  (request, response) => {
    answer(options, request, response).catch(() => json(response, 500, { error: 'server_error' }));
  };
