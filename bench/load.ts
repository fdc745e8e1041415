/** A closed-loop load: so many keep-alive connections, each sending its next request when the last was answered. */
import { Agent, request } from 'node:http';

/** The value below which a share `q` of `values` lies. */
export const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? Number.NaN;

/** One request: its form, and its `DPoP` header if it has one. */
export type Call = { readonly form: string; readonly proof: string | null };

export type Load = {
  readonly url: string;
  readonly connections: number;
  /** How many requests in all. */
  readonly count: number;
  readonly call: (index: number) => Call;
};

export type LoadResult = {
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
};

const post = (agent: Agent, url: string, { form, proof }: Call): Promise<void> =>
  new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        agent,
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': Buffer.byteLength(form),
          ...(proof !== null && { dpop: proof }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`${response.statusCode}: ${Buffer.concat(chunks).toString().slice(0, 300)}`));
        });
      },
    );
    sent.on('error', reject);
    sent.end(form);
  });

/** A server may close an idle connection just as it is used again; such a request was never read and is sent anew. */
const isLostRace = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');

const postOnce = (agent: Agent, url: string, call: Call): Promise<void> =>
  post(agent, url, call).catch((error: unknown) => {
    if (!isLostRace(error)) throw error;
    return post(agent, url, call);
  });

/** Sends the whole load; any answer but 200 ends it. */
export const runLoad = async ({ url, connections, count, call }: Load): Promise<LoadResult> => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const times: number[] = [];
  let next = 0;
  const started = performance.now();
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const sent = performance.now();
      await postOnce(agent, url, call(index));
      times.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const seconds = (performance.now() - started) / 1000;
  agent.destroy();
  return { seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
};
