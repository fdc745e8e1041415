/**
 * GET for a loop that runs beside a program: its connection does not keep the process alive, as that of the global
 * `fetch` would as long as an answer is awaited. Follows no redirect.
 */
import http from 'node:http';
import https from 'node:https';

export type BackgroundAnswer = {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array> | null;
};

/** Aborting `signal` ends the request and its body, which then throws. */
export type BackgroundGet = (
  url: string,
  options: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
) => Promise<BackgroundAnswer>;

/** Makes it for one origin at a time: one connection is kept for the next request. */
export const createBackgroundGet = (): BackgroundGet => {
  const connections = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 };
  const agents = { 'http:': new http.Agent(connections), 'https:': new https.Agent(connections) };
  return (url, { headers, signal }) =>
    new Promise((resolve, reject) => {
      const isTls = new URL(url).protocol === 'https:';
      const { request } = isTls ? https : http;
      const sent = request(url, { agent: agents[isTls ? 'https:' : 'http:'], headers, signal }, (response) =>
        resolve({ status: response.statusCode ?? 0, body: response }),
      );
      sent.on('socket', (socket) => socket.unref());
      sent.on('error', reject);
      sent.end();
    });
};

/** The same through a `fetch` that the API brings, which knows the way and how it ends. */
export const backgroundGetBy =
  (send: typeof fetch): BackgroundGet =>
  async (url, options) => {
    const { status, body } = await send(url, { ...options, redirect: 'error' });
    return { status, body };
  };
